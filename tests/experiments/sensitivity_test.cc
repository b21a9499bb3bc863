#include "experiments/sensitivity.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/exec/executor.h"
#include "tests/testing/range_plan.h"
#include "tests/testing/tiny_config.h"
#include "tests/testing/tiny_model.h"

namespace ptq::experiments {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

// Six images in batches of at most four.
class FewImages final : public calib::ImageSource {
 public:
  explicit FewImages(at::Tensor images) : images_(std::move(images)) {}
  int64_t count() const override { return images_.size(0); }
  Status ForEachBatch(int64_t batch_size, const std::function<Status(const at::Tensor&)>& visit) override {
    for (int64_t i = 0; i < count(); i += batch_size) {
      PTQ_RETURN_IF_ERROR(visit(images_.slice(0, i, std::min(count(), i + batch_size))));
    }
    return OkStatus();
  }
  Result<std::vector<int64_t>> Labels() override { return Unsupported("hidden"); }

 private:
  at::Tensor images_;
};

class SensitivityTest : public ::testing::Test {
 protected:
  SensitivityTest()
      : model_(testing::TinyModel()),
        images_(at::randn({6, config_.channels, config_.image_size, config_.image_size})),
        source_(images_) {
    for (const int bits : {8, 3}) {
      testing::RangePlanSettings settings;
      settings.activation_bits = settings.weight_bits = bits;
      plans_.emplace(bits, testing::RangePlan(model_, images_, settings));
    }
  }
  const vit::VitConfig config_ = testing::TinyConfig();
  const vit::VitModel model_;
  const at::Tensor images_;
  FewImages source_;
  std::map<int, method::Plan> plans_;
  NullProgress progress_;
};

TEST_F(SensitivityTest, UnitsHoldEveryOpOnce) {
  const size_t ops = vit::AllOps(config_).size();
  for (const Grouping grouping : {Grouping::kOp, Grouping::kBlock, Grouping::kKind}) {
    size_t held = 0;
    for (const SensitivityUnit& unit : SensitivityUnits(config_, grouping)) held += unit.ops.size();
    EXPECT_EQ(held, ops) << Name(grouping);
    EXPECT_EQ(ParseGrouping(Name(grouping)).value(), grouping);
  }
  EXPECT_THAT(SensitivityUnits(config_, Grouping::kOp), SizeIs(ops));
  EXPECT_EQ(SensitivityUnits(config_, Grouping::kBlock)[1].name, "blocks.0");
  EXPECT_EQ(SensitivityUnits(config_, Grouping::kKind)[1].name, "attn.qkv");
  EXPECT_FALSE(ParseGrouping("ops").ok());
}

// The cell of a part is what an executor of that part alone gives; the sum over parts of one op is what is asked for.
TEST_F(SensitivityTest, ACellIsItsPartAloneAgainstFloat) {
  const at::Tensor exact = exec::MakeSimulatedExecutor(model_, {}).value()->Run(images_);
  const at::Tensor answers = exact.argmax(1);
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 6; ++i) labels.push_back(i == 0 ? -1 : answers[i].item<int64_t>());
  const SensitivityMeasurement measured =
      MeasureSensitivity(model_, plans_, Grouping::kOp, source_, labels, "", nullptr, progress_).value();
  EXPECT_EQ(measured.images, 6);
  EXPECT_EQ(measured.float_top1_correct, 5);
  const std::vector<SensitivityUnit> units = SensitivityUnits(config_, Grouping::kOp);
  ASSERT_THAT(measured.cells, SizeIs(2 * units.size()));
  for (size_t i = 0; i < measured.cells.size(); ++i) {
    const results::SensitivityCell& cell = measured.cells[i];
    EXPECT_EQ(cell.unit, units[i / 2].name);
    EXPECT_EQ(cell.num_bits, i % 2 == 0 ? 8 : 3);
    method::Plan part;
    for (const auto& [operand, params] : plans_.at(cell.num_bits).operands) {
      if (operand.op.name() == cell.unit) part.operands[operand] = params;
    }
    ASSERT_THAT(part.operands, SizeIs(2));
    const at::Tensor noisy = exec::MakeSimulatedExecutor(model_, part).value()->Run(images_);
    const double expected = 10 * std::log10(exact.to(at::kDouble).square().sum().item<double>() /
                                            (noisy - exact).to(at::kDouble).square().sum().item<double>());
    ASSERT_TRUE(cell.signal_to_noise_db.has_value());
    EXPECT_NEAR(*cell.signal_to_noise_db, expected, 0.01) << cell.unit;
    EXPECT_EQ(cell.changed, noisy.argmax(1).ne(answers).sum().item<int64_t>());
    if (i % 2 == 1) {
      EXPECT_LT(*cell.signal_to_noise_db, *measured.cells[i - 1].signal_to_noise_db);
    }
  }
}

TEST_F(SensitivityTest, KeptCellsAreFoundAgain) {
  results::CheckpointStore store =
      results::CheckpointStore::Open(::testing::TempDir() + "/sensitivity.calibration").value();
  const std::vector<int64_t> labels(6, 0);
  const auto measure = [&](const std::string& scope) {
    return MeasureSensitivity(model_, plans_, Grouping::kBlock, source_, labels, scope, &store, progress_).value();
  };
  const SensitivityMeasurement first = measure("s");
  ASSERT_TRUE(store.Find("s", "block blocks.0 3").value().has_value());
  ASSERT_TRUE(store.Keep("marked", "block blocks.0 3", {"12.5 4 2", 0}).ok());
  ASSERT_TRUE(store.Keep("marked", "block blocks.0 8", {"= 0 1", 0}).ok());
  const SensitivityMeasurement second = measure("s"), marked = measure("marked");
  ASSERT_EQ(first.cells.size(), second.cells.size());
  for (size_t i = 0; i < first.cells.size(); ++i) {
    EXPECT_EQ(first.cells[i].signal_to_noise_db, second.cells[i].signal_to_noise_db);
  }
  EXPECT_EQ(marked.cells[3].signal_to_noise_db, 12.5);
  EXPECT_EQ(marked.cells[3].changed, 4);
  EXPECT_EQ(marked.cells[3].top1_correct, 2);
  EXPECT_FALSE(marked.cells[2].signal_to_noise_db.has_value());
}

TEST_F(SensitivityTest, APlanThatChangesMoreThanScalesIsRefused) {
  method::Plan plan = plans_.at(8);
  plan.method = "repq_vit@1";
  plan.replaced_parameters["head.bias"] = {};
  const auto refused = Restrict(plan, {vit::OpId{}});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("repq_vit@1"));
}

}  // namespace
}  // namespace ptq::experiments
