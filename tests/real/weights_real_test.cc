// The real DeiT-Tiny: 152 tensors that fit the default geometry.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "core/vit/config.h"
#include "core/vit/parameters.h"
#include "data/weights/safetensors.h"

namespace ptq::data {
namespace {

TEST(RealWeights, DeitTinyFitsTheDefaultGeometry) {
  const char* shared = std::getenv("PTQBENCH_SHARED");
  if (shared == nullptr) {
    GTEST_SKIP() << "PTQBENCH_SHARED is not set: no real DeiT-Tiny weights to read";
  }
  const std::string path = std::string(shared) + "/data/models/deit_tiny_patch16_224.safetensors";
  const auto file = ReadSafetensors(path);
  ASSERT_TRUE(file.ok()) << file.error().ToString();
  EXPECT_EQ(file->tensors.size(), 152);
  EXPECT_EQ(file->metadata.at("format"), "pt");
  const vit::VitConfig config;
  const Status status = vit::CheckParameters(config, file->tensors);
  EXPECT_TRUE(status.ok()) << status.error().ToString();
  int64_t count = 0;
  for (const auto& [name, tensor] : file->tensors) {
    count += tensor.elements();
  }
  EXPECT_EQ(count, 5'717'416);
  EXPECT_EQ(count, vit::ParameterCount(config));
  // Written and read again, every bit is the same.
  const std::string bytes = SerializeSafetensors(*file);
  const auto again = ParseSafetensors(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), "written");
  ASSERT_TRUE(again.ok()) << again.error().ToString();
  for (const auto& [name, tensor] : file->tensors) {
    EXPECT_EQ(*again->tensors.at(name).bytes, *tensor.bytes) << name;
  }
}

}  // namespace
}  // namespace ptq::data
