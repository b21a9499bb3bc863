#include "experiments/packed_file.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/exec/integer/integer_executor.h"
#include "data/weights/safetensors.h"
#include "tests/testing/range_plan.h"
#include "tests/testing/tiny_model.h"

namespace ptq::experiments {
namespace {

using quant::Grid;
using ::testing::HasSubstr;

std::string PathOf(const std::string& name) { return ::testing::TempDir() + "/" + name; }

struct Case {
  Grid weights;
  int bits;
  bool rows;
};

class PackedFileTest : public ::testing::TestWithParam<Case> {};

// Both executors give the same logits, to the last bit, for the model that comes out of the file.
TEST_P(PackedFileTest, GivesTheSameLogitsAsModelAndPlan) {
  const vit::VitModel model = testing::TinyModel();
  const at::Tensor images = testing::RandomImages(model.config(), 3);
  method::Plan plan = testing::RangePlan(
      model, images,
      {Grid::kAffine, GetParam().weights, GetParam().bits > 8 ? 8 : GetParam().bits, GetParam().bits, GetParam().rows});
  plan.notes["why"] = "a test";
  plan.replaced_parameters["head.bias"] = vit::FromTorch(model.parameter("head.bias") + 0.25);
  const at::Tensor& fc1 = model.parameter("blocks.0.mlp.fc1.weight");
  plan.replaced_parameters["blocks.0.mlp.fc1.weight"] = vit::FromTorch(fc1 * 0.75);
  quant::QuantParams& corrected = plan.operands.at({{vit::OpKind::kFc1, 0}, vit::Side::kRight});
  corrected.correction.assign(corrected.scale.size(), 0.01F);

  const PackedModel packed = Pack("tiny", model, plan).value();
  EXPECT_TRUE(CheckUnpacks(packed, model, plan).ok());
  const std::string path = PathOf("packed.safetensors");
  ASSERT_TRUE(WritePacked(path, packed).ok());
  const PackedModel read = ReadPacked(path).value();
  EXPECT_EQ(read.model, "tiny");
  EXPECT_EQ(read.plan.notes.at("why"), "a test");
  EXPECT_EQ(read.weights, packed.weights);
  const vit::VitModel unpacked = Unpack(read, model.config()).value();
  EXPECT_TRUE(testing::BitEqual(exec::MakeSimulatedExecutor(model, plan).value()->Run(images),
                                exec::MakeSimulatedExecutor(unpacked, read.plan).value()->Run(images)));
  EXPECT_TRUE(testing::BitEqual(exec::MakeIntegerExecutor(model, plan, {}).value()->Run(images),
                                exec::MakeIntegerExecutor(unpacked, read.plan, {}).value()->Run(images)));
}

INSTANTIATE_TEST_SUITE_P(Grids, PackedFileTest,
                         ::testing::Values(Case{Grid::kSymmetricRestricted, 8, true},
                                           Case{Grid::kSymmetricFull, 4, false}, Case{Grid::kSymmetricHalf, 2, true},
                                           Case{Grid::kAffine, 6, true}, Case{Grid::kSymmetricFull, 16, true}));

method::Plan FourBits(const vit::VitModel& model) {
  return testing::RangePlan(model, testing::RandomImages(model.config(), 2),
                            {Grid::kAffine, Grid::kSymmetricFull, 8, 4, true});
}

TEST(PackedFile, TakesTheBitsOfThePlan) {
  const vit::VitModel model = testing::TinyModel();
  const PackedModel packed = Pack("tiny", model, FourBits(model)).value();
  int64_t codes = 0;
  for (const auto& [name, bytes] : packed.weights) {
    codes += model.parameter(name).numel();
    EXPECT_EQ(static_cast<int64_t>(bytes.size()), (model.parameter(name).numel() + 1) / 2) << name;
  }
  EXPECT_GT(codes, 0);
}

TEST(PackedFile, RefusesGridsThatExistInSimulationAlone) {
  const vit::VitModel model = testing::TinyModel();
  method::Plan plan;
  plan.operands[{{vit::OpKind::kProj, 1}, vit::Side::kRight}] = {
      Grid::kTwinSigned, 8, quant::Granularity::kPerTensor, -1, {0.1F}, {0}, {0.2F}};
  const auto packed = Pack("tiny", model, plan);
  ASSERT_FALSE(packed.ok());
  EXPECT_EQ(packed.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(packed.error().ToString(), HasSubstr("blocks.1.attn.proj.weight"));
}

TEST(PackedFile, NamesWhatDoesNotFit) {
  const vit::VitModel model = testing::TinyModel();
  const PackedModel good = Pack("tiny", model, FourBits(model)).value();
  const std::string weight = "blocks.0.attn.qkv.weight";

  PackedModel cut = good;
  cut.weights.at(weight).pop_back();
  EXPECT_THAT(Unpack(cut, model.config()).error().ToString(), HasSubstr(weight));

  PackedModel absent = good;
  absent.weights.erase(weight);
  EXPECT_THAT(Unpack(absent, model.config()).error().ToString(), HasSubstr(weight));

  PackedModel stray = good;
  stray.weights["blocks.9.attn.qkv.weight"] = {};
  EXPECT_THAT(Unpack(stray, model.config()).error().ToString(), HasSubstr("blocks.9.attn.qkv.weight"));

  PackedModel unquantized = good;
  unquantized.plan.operands.erase({{vit::OpKind::kQkv, 0}, vit::Side::kRight});
  EXPECT_THAT(Unpack(unquantized, model.config()).error().ToString(), HasSubstr(weight));

  PackedModel other = good;
  other.weights.at(weight)[0] ^= std::byte{1};
  EXPECT_THAT(CheckUnpacks(other, model, FourBits(model)).error().ToString(), HasSubstr(weight));
}

TEST(PackedFile, ReadsItsOwnFormatAlone) {
  const std::string path = PathOf("other.safetensors");
  ASSERT_TRUE(data::WriteSafetensors(path, {{}, {{"format", "ptqbench-plan"}}}).ok());
  EXPECT_THAT(ReadPacked(path).error().ToString(), HasSubstr("not a packed model"));
  ASSERT_TRUE(data::WriteSafetensors(path, {{}, {{"format", "ptqbench-packed"}, {"format_version", "2"}}}).ok());
  EXPECT_EQ(ReadPacked(path).error().code, ErrorCode::kUnsupported);
  ASSERT_TRUE(data::WriteSafetensors(path, {{{"else", vit::MakeTensor(std::vector<float>{1}, {1})}},
                                            {{"format", "ptqbench-packed"}, {"format_version", "1"}}})
                  .ok());
  EXPECT_THAT(ReadPacked(path).error().ToString(), HasSubstr("'else'"));
}

}  // namespace
}  // namespace ptq::experiments
