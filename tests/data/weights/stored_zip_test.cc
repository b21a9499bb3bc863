#include "data/weights/stored_zip.h"

#include <gtest/gtest.h>

#include <string>

#include "data/files/file_io.h"
#include "tests/data/weights/fails_with.h"
#include "tests/data/weights/pth_builder.h"

namespace ptq::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<StoredZip> Open(const std::string& bytes) {
  return StoredZip::OpenMemory(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), "some.pth");
}

std::string Text(const std::vector<std::byte>& bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

TEST(StoredZip, ReadsEntriesFromMemoryAndFile) {
  const std::string bytes = ZipBytes({{"b", "second"}, {"a/x", ""}});
  const std::string path = testing::TempDir() + "/stored.zip";
  ASSERT_TRUE(WriteFileAtomically(path, bytes).ok());
  const auto memory = Open(bytes);
  const auto file = StoredZip::OpenFile(path);
  ASSERT_TRUE(memory.ok() && file.ok());
  for (const StoredZip* archive : {&memory.value(), &file.value()}) {
    EXPECT_EQ(archive->size(), bytes.size());
    EXPECT_THAT(archive->Names(), ElementsAre("a/x", "b"));
    EXPECT_EQ(Text(archive->Read("b").value()), "second");
    EXPECT_EQ(Text(archive->Read("a/x").value()), "");
    EXPECT_FALSE(archive->Has("a"));
    EXPECT_THAT(archive->Read("a"), FailsWith(ErrorCode::kCorrupt, HasSubstr("no entry 'a'")));
  }
}

TEST(StoredZip, RefusesDeflatedEntries) {
  const std::string bytes = ZipBytes({{"bomb", std::string(1'000'000, '\0')}}, /*stored=*/false);
  const auto archive = Open(bytes);
  ASSERT_TRUE(archive.ok());
  EXPECT_THAT(archive->Read("bomb"), FailsWith(ErrorCode::kUnsupported, HasSubstr("'bomb' is compressed")));
}

TEST(StoredZip, RefusesDamage) {
  const std::string good = ZipBytes({{"entry", "0123456789"}});
  std::string flipped = good;
  flipped[good.find("0123456789") + 4] = 'x';
  const auto archive = Open(flipped);
  ASSERT_TRUE(archive.ok());
  EXPECT_THAT(archive->Read("entry"), FailsWith(ErrorCode::kCorrupt, HasSubstr("damaged")));
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_THAT(Open(good.substr(0, length)), FailsWith(ErrorCode::kCorrupt, HasSubstr("some.pth"))) << length;
  }
}

// A central directory that claims a larger entry than the file, and two entries of one name.
TEST(StoredZip, RefusesLyingDirectories) {
  const std::string good = ZipBytes({{"aa", "0123456789"}, {"bb", "0123456789"}});
  const size_t central = good.find("PK\x01\x02");
  std::string large = good;
  for (const size_t field : {20, 24}) {  // compressed and uncompressed size
    large.replace(central + field, 4, std::string("\xf0\xff\xff\x7f", 4));
  }
  const auto archive = Open(large);
  if (archive.ok()) {
    EXPECT_THAT(archive->Read("aa"), FailsWith(ErrorCode::kCorrupt, HasSubstr("'aa'")));
  }
  std::string twice = good;
  for (size_t at = twice.find("bb"); at != std::string::npos; at = twice.find("bb")) {
    twice.replace(at, 2, "aa");
  }
  EXPECT_THAT(Open(twice), FailsWith(ErrorCode::kCorrupt, HasSubstr("some.pth")));
}

}  // namespace
}  // namespace ptq::data
