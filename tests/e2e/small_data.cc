#include "tests/e2e/small_data.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "data/embedded/generator.h"
#include "data/images/decode.h"
#include "tests/e2e/program.h"

namespace ptq::e2e {
namespace {

void WriteSet(const std::string& folder, const std::string& split, int64_t count) {
  std::filesystem::create_directories(folder);
  std::string labels;
  for (int64_t i = 0; i < count; ++i) {
    const data::EmbeddedSample sample = data::DrawEmbedded(split, i);
    const std::string name = std::to_string(1000 + i) + ".png";
    const Status written = data::WritePng(folder + "/" + name, sample.image);
    EXPECT_TRUE(written.ok()) << written.error().ToString();
    labels += name + " " + std::to_string(sample.label) + "\n";
  }
  WriteText(folder + "/labels.txt", labels);
}

std::string Entry(const std::string& name, const std::string& role, int count) {
  return "[[dataset]]\nname = \"" + name + "\"\ntitle = \"" + name + "\"\nkind = \"image_list\"\nrole = \"" + role +
         "\"\nroot = \"" + name + "\"\ncount = " + std::to_string(count) +
         "\nclasses = 10\nresize = \"crop_only\"\nsource = \"made by the test\"\n\n";
}

}  // namespace

std::string WriteSmallData(const std::string& folder) {
  WriteSet(folder + "/small_test", "test", 100);
  WriteSet(folder + "/small_calibration", "calibration", 20);
  WriteText(folder + "/datasets.toml",
            Entry("small_test", "evaluation", 100) + Entry("small_calibration", "calibration", 20));
  return folder + "/datasets.toml";
}

std::string WriteSmallSpec(const std::string& folder, const std::string& seeds) {
  const std::string path = folder + "/small.toml";
  WriteText(path, R"(name = "small"
question = "Does the whole chain work?"
seeds = )" + seeds + R"(

[[workload]]
model = "micro_vit"
dataset = "small_test"
calibration_dataset = "small_calibration"
calibration_images = 8

[[trial]]
method = ["min_max", "percentile"]
bits = ["W8A8", "W4A4"]
)");
  return path;
}

}  // namespace ptq::e2e
