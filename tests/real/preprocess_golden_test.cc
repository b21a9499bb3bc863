// Real photographs against tensors that Pillow 9.4.0 and PyTorch 1.13.1 made (their metadata names the generators).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "data/images/batch_stream.h"
#include "data/images/decode.h"
#include "data/images/preprocess.h"
#include "data/weights/safetensors.h"

namespace ptq::data {
namespace {

class PreprocessGoldenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* shared = std::getenv("PTQBENCH_SHARED");
    if (shared == nullptr) GTEST_SKIP() << "PTQBENCH_SHARED is not set: no real photographs to compare";
    shared_ = shared;
  }

  SafetensorsFile ReadGolden(const std::string& name) const {
    Result<SafetensorsFile> file = ReadSafetensors(shared_ + "/reference/golden/" + name);
    EXPECT_TRUE(file.ok()) << file.error().ToString();
    return file.ok() ? *std::move(file) : SafetensorsFile{};
  }

  // The base names of the comma list "images".
  static std::vector<std::string> ImageNames(const SafetensorsFile& file) {
    std::vector<std::string> names;
    std::istringstream list(file.metadata.at("images"));
    for (std::string name; std::getline(list, name, ',');) names.push_back(name.substr(name.rfind('/') + 1));
    return names;
  }

  static std::vector<uint8_t> Bytes(const vit::HostTensor& tensor) {
    std::vector<uint8_t> bytes(tensor.bytes->size());
    std::memcpy(bytes.data(), tensor.bytes->data(), bytes.size());
    return bytes;
  }

  std::string shared_;
};

struct Agreement {
  int64_t pixels = 0;
  int64_t equal = 0;
  int64_t within_one_level = 0;  // in every channel

  void Add(const std::vector<uint8_t>& got, const uint8_t* expected) {
    for (size_t i = 0; i < got.size(); i += 3) {
      int largest = 0;
      for (size_t c = 0; c < 3; ++c) largest = std::max(largest, std::abs(got[i + c] - expected[i + c]));
      ++pixels;
      equal += largest == 0;
      within_one_level += largest <= 1;
    }
  }
};

TEST_F(PreprocessGoldenTest, PhotographsAgreeWithPillow) {
  const SafetensorsFile golden = ReadGolden("preprocess_calib16.safetensors");
  const std::vector<std::string> names = ImageNames(golden);
  const std::vector<uint8_t> expected = Bytes(golden.tensors.at("u8_nhwc"));
  const Preprocessing preprocessing;
  const size_t image_bytes = static_cast<size_t>(preprocessing.crop * preprocessing.crop) * 3;
  ASSERT_EQ(names.size(), 16U);
  ASSERT_EQ(expected.size(), names.size() * image_bytes);
  Agreement all;
  for (size_t i = 0; i < names.size(); ++i) {
    const Result<Image> image = ReadImage(shared_ + "/data/imagenet_calib1000/images/" + names[i], false);
    ASSERT_TRUE(image.ok()) << image.error().ToString();
    const Image crop = ResizeAndCrop(*image, preprocessing);
    ASSERT_EQ(crop.pixels.size(), image_bytes);
    Agreement one;
    one.Add(crop.pixels, &expected[i * image_bytes]);
    EXPECT_GE(static_cast<double>(one.within_one_level), 0.999 * static_cast<double>(one.pixels)) << names[i];
    all.Add(crop.pixels, &expected[i * image_bytes]);
  }
  std::cout << "pixels equal to Pillow's: " << all.equal << " of " << all.pixels
            << "; within one level: " << all.within_one_level << "\n";
  RecordProperty("equal_pixels", std::to_string(all.equal));
}

TEST_F(PreprocessGoldenTest, ModelInputsAgreeWithTorchvision) {
  const SafetensorsFile golden = ReadGolden("deit_tiny_forward.safetensors");
  const std::vector<std::string> names = ImageNames(golden);
  const std::vector<uint8_t> crops = Bytes(golden.tensors.at("input_u8_nhwc"));
  const std::vector<float> inputs = vit::ToFloats(golden.tensors.at("input_f32_nchw"));
  DatasetEntry entry;
  entry.name = "imagenet_val1300";
  entry.root = "imagenet_val1300";
  entry.count = 1300;
  entry.classes = 1000;
  entry.resize = "crop_only";
  entry.apply_exif_orientation = false;
  const auto dataset = OpenDataset(entry, shared_ + "/data");
  ASSERT_TRUE(dataset.ok()) << dataset.error().ToString();
  const Preprocessing preprocessing = EffectivePreprocessing(Preprocessing{}, entry);
  std::vector<int64_t> indices;
  for (const std::string& name : names) {
    const auto& samples = (*dataset)->samples();
    const auto found =
        std::find_if(samples.begin(), samples.end(), [&](const Sample& s) { return s.id == "images/" + name; });
    ASSERT_NE(found, samples.end()) << name;
    indices.push_back(found - samples.begin());
  }
  Agreement agreement;
  for (size_t i = 0; i < indices.size(); ++i) {
    const Result<Image> image = (*dataset)->Load(indices[i]);
    ASSERT_TRUE(image.ok()) << image.error().ToString();
    agreement.Add(ResizeAndCrop(*image, preprocessing).pixels, &crops[i * 224 * 224 * 3]);
  }
  EXPECT_EQ(agreement.equal, agreement.pixels);
  BatchStream stream(**dataset, indices, preprocessing, static_cast<int64_t>(indices.size()), 2);
  const Result<ImageBatch> batch = stream.Next();
  ASSERT_TRUE(batch.ok()) << batch.error().ToString();
  ASSERT_EQ(batch->pixels.size(), inputs.size());
  float largest = 0;
  for (size_t i = 0; i < inputs.size(); ++i) largest = std::max(largest, std::abs(batch->pixels[i] - inputs[i]));
  std::cout << "largest difference of a normalised value: " << largest << "\n";
  EXPECT_LE(largest, 1e-6F);
}

}  // namespace
}  // namespace ptq::data
