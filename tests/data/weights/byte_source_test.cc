#include "data/weights/byte_source.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "data/files/file_io.h"
#include "tests/data/weights/fails_with.h"

namespace ptq::data {
namespace {

using testing::HasSubstr;

TEST(ByteSource, FileAndMemoryGiveTheSamePieces) {
  const std::string text = "0123456789";
  const std::string path = testing::TempDir() + "/byte_source.bin";
  ASSERT_TRUE(WriteFileAtomically(path, text).ok());
  const auto file = OpenFileSource(path);
  ASSERT_TRUE(file.ok());
  const auto memory = MemorySource(reinterpret_cast<const std::byte*>(text.data()), text.size());
  for (const ByteSource* source : {file.value().get(), memory.get()}) {
    EXPECT_EQ(source->size(), 10);
    std::string piece(3, ' ');
    ASSERT_TRUE(source->Read(7, reinterpret_cast<std::byte*>(piece.data()), piece.size()).ok());
    EXPECT_EQ(piece, "789");
    EXPECT_TRUE(source->Read(10, nullptr, 0).ok());
  }
}

TEST(ByteSource, RefusesWhatIsNoFile) {
  EXPECT_THAT(OpenFileSource(testing::TempDir() + "/no such file"),
              FailsWith(ErrorCode::kNotFound, HasSubstr("no such file")));
  EXPECT_THAT(OpenFileSource(testing::TempDir()), FailsWith(ErrorCode::kIo, HasSubstr("regular")));
  const std::string pipe = testing::TempDir() + "/byte_source_pipe";
  (void)remove(pipe.c_str());
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(OpenFileSource(pipe), FailsWith(ErrorCode::kIo, HasSubstr("regular")));
}

TEST(ByteSource, AnImpossibleAllocationIsAnError) {
  EXPECT_THAT(AllocateBytes(uint64_t{1} << 63, "tensor 'x'"), FailsWith(ErrorCode::kIo, HasSubstr("tensor 'x'")));
}

TEST(ByteSource, QuotedNamesAreShortAndPrintable) {
  EXPECT_EQ(Quoted("head.weight"), "'head.weight'");
  EXPECT_EQ(Quoted("a\nb\x1b[2J\x7f"), "'a?b?[2J?'");
  EXPECT_EQ(Quoted(std::string(500, 'x')), "'" + std::string(120, 'x') + "...'");
}

}  // namespace
}  // namespace ptq::data
