#include "data/files/sha256.h"

#include <gtest/gtest.h>

#include "data/files/file_io.h"

namespace ptq::data {
namespace {

// FIPS 180-2, appendix B.
TEST(Sha256Test, KnowsThePublishedExamples) {
  EXPECT_EQ(Sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, AFileHasTheHashOfItsBytes) {
  const std::string path = ::testing::TempDir() + "sha256_test.bin";
  for (const size_t size : {size_t{0}, size_t{1}, size_t{65536}, size_t{65537}, size_t{200000}}) {
    std::string bytes(size, 'x');
    if (size > 0) bytes.back() = '\0';
    ASSERT_TRUE(WriteFileAtomically(path, bytes).ok());
    const Result<std::string> hash = Sha256OfFile(path);
    ASSERT_TRUE(hash.ok()) << hash.error().ToString();
    EXPECT_EQ(*hash, Sha256(bytes)) << size;
  }
}

TEST(Sha256Test, NamesTheFileThatItCannotRead) {
  const Result<std::string> absent = Sha256OfFile("/no/such/file");
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(absent.error().where, "/no/such/file");
  const Result<std::string> folder = Sha256OfFile(::testing::TempDir());
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace ptq::data
