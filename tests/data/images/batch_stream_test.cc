#include "data/images/batch_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "tests/data/images/picture_files.h"

namespace ptq::data {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Picture i is Pattern(20 + i % 7, 20); those in `bad` cannot be loaded.
class FakeDataset final : public Dataset {
 public:
  explicit FakeDataset(int64_t size, std::vector<int64_t> bad = {}) : bad_(std::move(bad)) {
    for (int64_t i = 0; i < size; ++i) samples_.push_back({std::to_string(i), 0});
  }
  Result<Image> Load(int64_t index) const override {
    ++loads_;
    for (const int64_t bad : bad_) {
      if (bad == index) return Corrupt("bad picture", std::to_string(index));
    }
    return Pattern(20 + index % 7, 20);
  }
  int64_t loads() const { return loads_; }

 private:
  std::vector<int64_t> bad_;
  mutable std::atomic<int64_t> loads_{0};
};

Preprocessing SmallCrop() {
  Preprocessing preprocessing;
  preprocessing.resize = 18;
  preprocessing.crop = 16;
  return preprocessing;
}

std::vector<ImageBatch> ReadAll(BatchStream& stream) {
  std::vector<ImageBatch> batches;
  while (true) {
    Result<ImageBatch> batch = stream.Next();
    EXPECT_TRUE(batch.ok());
    if (!batch.ok() || batch->indices.empty()) return batches;
    batches.push_back(std::move(*batch));
  }
}

TEST(BatchStreamTest, KeepsTheOrderAndTheLastBatchIsSmaller) {
  const FakeDataset dataset(10);
  BatchStream stream(dataset, {9, 1, 1, 4, 0}, SmallCrop(), 2);
  const std::vector<ImageBatch> batches = ReadAll(stream);
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_THAT(batches[0].indices, ElementsAre(9, 1));
  EXPECT_THAT(batches[1].indices, ElementsAre(1, 4));
  EXPECT_THAT(batches[2].indices, ElementsAre(0));
  const size_t picture = 3 * 16 * 16;
  EXPECT_EQ(batches[2].pixels.size(), picture);
  std::vector<float> expected(picture);
  Normalize(ResizeAndCrop(*dataset.Load(4), SmallCrop()), SmallCrop(), expected.data());
  EXPECT_EQ(std::vector<float>(batches[1].pixels.begin() + picture, batches[1].pixels.end()), expected);
  EXPECT_THAT(stream.Next()->indices, IsEmpty());
}

TEST(BatchStreamTest, ThreadsDoNotChangeABit) {
  const FakeDataset dataset(100);
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < 100; ++i) indices.push_back(i * 37 % 100);
  std::vector<std::vector<ImageBatch>> runs;
  for (const int threads : {1, 2, 5}) {
    BatchStream stream(dataset, indices, SmallCrop(), 8, threads);
    runs.push_back(ReadAll(stream));
  }
  ASSERT_EQ(runs[0].size(), 13U);
  for (size_t run = 1; run < runs.size(); ++run) {
    ASSERT_EQ(runs[run].size(), runs[0].size());
    for (size_t i = 0; i < runs[0].size(); ++i) {
      EXPECT_EQ(runs[run][i].indices, runs[0][i].indices);
      EXPECT_EQ(runs[run][i].pixels, runs[0][i].pixels);
    }
  }
}

TEST(BatchStreamTest, AnErrorStandsInItsPlaceAndStays) {
  for (const int threads : {1, 2, 3}) {
    const FakeDataset dataset(20, {11, 9});
    std::vector<int64_t> indices;
    for (int64_t i = 0; i < 20; ++i) indices.push_back(i);
    BatchStream stream(dataset, indices, SmallCrop(), 4, threads);
    EXPECT_THAT(stream.Next()->indices, ElementsAre(0, 1, 2, 3));
    EXPECT_THAT(stream.Next()->indices, ElementsAre(4, 5, 6, 7));
    for (int i = 0; i < 2; ++i) {
      const Result<ImageBatch> batch = stream.Next();
      ASSERT_FALSE(batch.ok());
      EXPECT_EQ(batch.error().where, "9");
    }
  }
}

TEST(BatchStreamTest, DecodesAheadButNotFar) {
  for (const int threads : {1, 2}) {
    const FakeDataset dataset(1000);
    std::vector<int64_t> indices;
    for (int64_t i = 0; i < 1000; ++i) indices.push_back(i);
    {
      BatchStream stream(dataset, indices, SmallCrop(), 4, threads);
      ASSERT_TRUE(stream.Next().ok());
      ASSERT_TRUE(stream.Next().ok());
    }
    EXPECT_GE(dataset.loads(), 2 * 4);
    EXPECT_LE(dataset.loads(), (2 + kBatchesAhead) * 4);
  }
}

TEST(BatchStreamTest, MayEndUnread) {
  const FakeDataset dataset(50);
  for (int i = 0; i < 50; ++i) BatchStream(dataset, {1, 2, 3, 4, 5}, SmallCrop(), 2, 2);
  BatchStream empty(dataset, {}, SmallCrop(), 2);
  EXPECT_THAT(empty.Next()->indices, IsEmpty());
}

TEST(BatchStreamTest, CropOnlyDataSetsAreNotResized) {
  const Preprocessing model;
  DatasetEntry entry;
  EXPECT_EQ(ToString(EffectivePreprocessing(model, entry)), ToString(model));
  entry.resize = "crop_only";
  const Preprocessing effective = EffectivePreprocessing(model, entry);
  EXPECT_EQ(effective.resize, 0);
  EXPECT_EQ(effective.crop, model.crop);
}

}  // namespace
}  // namespace ptq::data
