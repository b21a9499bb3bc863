// What every method must hold, whatever it computes.  A new method enters by RegisterAllBaselines alone.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <set>

#include "baselines/all_baselines.h"
#include "baselines/skeleton/skeleton.h"
#include "core/exec/executor.h"
#include "core/method/method.h"
#include "tests/testing/tiny_model.h"

namespace ptq::method {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using Given = std::map<std::string, ParameterValue>;

const Registry& Methods() {
  static const Registry* registry = [] {
    auto* all = new Registry;
    PTQ_CHECK(baselines::RegisterAllBaselines(*all).ok());
    PTQ_CHECK(all->Add(baselines::MakeSkeleton()).ok());
    return all;
  }();
  return *registry;
}

std::vector<std::string> Ids() {
  std::vector<std::string> ids;
  for (const auto& method : Methods().methods()) {
    ids.push_back(method->info().id);
  }
  return ids;
}

// The plan's encoded form as one string: equal bytes, equal plans.
std::string Bytes(const Plan& plan) {
  const EncodedPlan encoded = Encode(plan);
  std::string bytes;
  for (const auto& [key, value] : encoded.metadata) {
    bytes += key + "=" + value + "\n";
  }
  for (const auto& [name, tensor] : encoded.tensors) {
    bytes += name + tensor.ShapeString();
    bytes.append(reinterpret_cast<const char*>(tensor.bytes->data()), tensor.bytes->size());
  }
  return bytes;
}

// Legal values of a parameter other than its default.
std::vector<ParameterValue> OtherValues(const ParameterSpec& spec) {
  std::vector<ParameterValue> values;
  if (const bool* flag = std::get_if<bool>(&spec.default_value)) {
    values.emplace_back(!*flag);
  } else if (const int64_t* whole = std::get_if<int64_t>(&spec.default_value)) {
    const double low = spec.min.value_or(static_cast<double>(*whole) - 1);
    const double high = spec.max.value_or(static_cast<double>(*whole) + 1);
    for (const double x : {low, high, std::floor((low + high) / 2)}) {
      values.emplace_back(static_cast<int64_t>(x));
    }
  } else if (const double* real = std::get_if<double>(&spec.default_value)) {
    const double low = spec.min.value_or(*real / 2);
    const double high = spec.max.value_or(*real * 2);
    for (const double x : {low, high, (low + high) / 2}) {
      values.emplace_back(x);
    }
  } else {
    for (const std::string& choice : spec.choices) {
      values.emplace_back(choice);
    }
  }
  values.erase(std::remove(values.begin(), values.end(), spec.default_value), values.end());
  return values;
}

class ContractTest : public ::testing::TestWithParam<std::string> {
 protected:
  ContractTest()
      : method_(**Methods().Find(GetParam())),
        model_(testing::TinyModel(true)),
        pixels_(testing::RandomImages(model_.config(), 24)) {}

  Result<Plan> Run(const Scheme& scheme, const Given& given, Progress& progress, uint64_t seed = 1) const {
    PTQ_ASSIGN_OR_RETURN(const Parameters parameters, Parameters::Resolve(method_.info().parameters, given));
    PTQ_RETURN_IF_ERROR(method_.Supports(scheme, parameters, model_.config()));
    testing::MemoryImages images(pixels_);
    calib::Calibration calibration(model_, images, progress, 16);
    return method_.Quantize({model_, calibration, scheme, parameters, RandomStream(seed, "contract"), progress});
  }
  Result<Plan> Run(const Scheme& scheme = {}, const Given& given = {}) const {
    NullProgress progress;
    return Run(scheme, given, progress);
  }

  // The plan names exactly the scheme's operands, at its bits, and fits the model.
  void ExpectMeets(const Plan& plan, const Scheme& scheme) const {
    std::set<std::string> planned;
    std::set<std::string> covered;
    for (const auto& [operand, params] : plan.operands) {
      planned.insert(operand.name());
      EXPECT_EQ(params.num_bits, scheme.BitsOf(operand)) << operand.name();
      if (operand.is_weight()) {
        EXPECT_EQ(params.granularity, scheme.weight_granularity) << operand.name();
      }
    }
    for (const vit::OperandId& operand : CoveredOperands(scheme, model_.config())) {
      covered.insert(operand.name());
    }
    EXPECT_EQ(planned, covered);
    const Status valid = Validate(plan, model_.config());
    EXPECT_TRUE(valid.ok()) << (valid.ok() ? "" : valid.error().ToString());
    EXPECT_TRUE(exec::MakeSimulatedExecutor(model_, plan).ok());
  }

  const Method& method_;
  vit::VitModel model_;
  at::Tensor pixels_;
};

TEST_P(ContractTest, IntroducesItself) {
  const MethodInfo& info = method_.info();
  EXPECT_EQ(info.id, GetParam());
  EXPECT_GE(info.version, 1);
  EXPECT_FALSE(info.summary.empty());
  EXPECT_FALSE(info.citation.empty());
  EXPECT_EQ(info.summary.find('\n'), std::string::npos);
  std::set<std::string> names;
  for (const ParameterSpec& spec : info.parameters) {
    EXPECT_TRUE(names.insert(spec.name).second) << spec.name << " is declared twice";
    EXPECT_FALSE(spec.meaning.empty()) << spec.name;
    const Result<Parameters> with_default = Parameters::Resolve(info.parameters, {{spec.name, spec.default_value}});
    EXPECT_TRUE(with_default.ok()) << "the default of " << spec.name << " is not legal";
  }
}

TEST_P(ContractTest, TheSameSeedGivesTheSameBytes) {
  const Result<Plan> plan = Run();
  ASSERT_TRUE(plan.ok()) << plan.error().ToString();
  EXPECT_EQ(Bytes(*plan), Bytes(*Run()));
}

// A model large enough that the library and the statistics do cut their work between threads.
TEST_P(ContractTest, ThreadsDoNotChangeTheBytes) {
  vit::VitConfig config = testing::TinyConfig();
  config.image_size = 40;
  model_ = testing::RandomModel(config);
  pixels_ = testing::RandomImages(config, 16);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Result<Plan> one = Run();
  at::set_num_threads(2);
  const Result<Plan> two = Run();
  at::set_num_threads(threads);
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(Bytes(*one), Bytes(*two));
}

TEST_P(ContractTest, TheModelAndTheImagesStayUntouched) {
  const auto before = testing::Snapshot(model_);
  const at::Tensor pixels = pixels_.clone();
  ASSERT_TRUE(Run().ok());
  EXPECT_TRUE(testing::Unchanged(model_, before));
  EXPECT_TRUE(testing::BitEqual(pixels_, pixels));
}

TEST_P(ContractTest, CoversExactlyWhatEachSchemeAsksFor) {
  std::vector<Scheme> schemes(6);
  schemes[1].weight_granularity = quant::Granularity::kPerChannel;
  schemes[2].quantize_head = false;
  schemes[3].quantize_patch_embed = false;
  schemes[4].quantize_attention_products = false;
  schemes[5] = {4, 6, quant::Granularity::kPerChannel, false, false, false};
  for (const Scheme& scheme : schemes) {
    SCOPED_TRACE(scheme.ToString());
    const Result<Plan> plan = Run(scheme);
    if (!plan.ok()) {
      EXPECT_EQ(plan.error().code, ErrorCode::kUnsupported);
      EXPECT_GT(plan.error().message.size(), 10U) << "a reason";
      continue;
    }
    ExpectMeets(*plan, scheme);
  }
}

TEST_P(ContractTest, EveryWidthIsMetOrRefusedWithAReason) {
  for (int bits = quant::kMinBits; bits <= quant::kMaxBits; ++bits) {
    for (const Scheme& scheme : {Scheme{bits, bits}, Scheme{bits, 8}, Scheme{8, bits}}) {
      SCOPED_TRACE(scheme.ShortName());
      const Result<Plan> plan = Run(scheme);
      if (plan.ok()) {
        ExpectMeets(*plan, scheme);
      } else {
        EXPECT_EQ(plan.error().code, ErrorCode::kUnsupported);
        EXPECT_GT(plan.error().message.size(), 10U) << "a reason";
      }
    }
  }
}

// On images other than the calibration's.  8 bits keep the error near 1 % of each operand; 20 dB is 10 % at the logits.
TEST_P(ContractTest, EightBitsStayNearFloat) {
  const Result<Plan> plan = Run();
  ASSERT_TRUE(plan.ok()) << plan.error().ToString();
  const at::Tensor images = testing::RandomImages(model_.config(), 32, 99);
  vit::OpEngine engine;
  const at::Tensor expected = model_.Forward(images, engine);
  const at::Tensor logits = exec::MakeSimulatedExecutor(model_, *plan).value()->Run(images);
  const double sqnr = testing::SignalToNoise(expected, logits);
  RecordProperty("sqnr_db", std::to_string(sqnr));
  EXPECT_GT(sqnr, 20);
}

// The harness writes these; a method that did would bind plans to one caller.
TEST_P(ContractTest, LeavesTheProvenanceToTheHarness) {
  const Plan plan = Run().value();
  EXPECT_EQ(plan.method + plan.scheme + plan.parameters + plan.weights_sha256, "");
}

TEST_P(ContractTest, EveryDeclaredParameterIsUsed) {
  const std::string standard = Bytes(Run().value());
  for (const ParameterSpec& spec : method_.info().parameters) {
    bool matters = false;
    std::string tried;
    for (const ParameterValue& value : OtherValues(spec)) {
      ASSERT_TRUE(Parameters::Resolve(method_.info().parameters, {{spec.name, value}}).ok()) << spec.name;
      const Result<Plan> plan = Run({}, {{spec.name, value}});
      matters = matters || !plan.ok() || Bytes(*plan) != standard;
      tried += " " + ToString(value);
    }
    EXPECT_TRUE(matters) << spec.name << " changed nothing; tried" << tried;
  }
}

TEST_P(ContractTest, NaNInTheImagesIsAnErrorThatNamesTheOp) {
  pixels_[3][0][2][2] = std::nanf("");
  Scheme scheme;
  const Result<Plan> plan = Run(scheme);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(plan.error().ToString(), HasSubstr("patch_embed.proj"));
  scheme.quantize_patch_embed = false;
  const Result<Plan> later = Run(scheme);
  ASSERT_FALSE(later.ok());
  EXPECT_THAT(later.error().ToString(), AnyOf(HasSubstr("patch_embed.proj"), HasSubstr("blocks.0.attn.qkv")));
}

TEST_P(ContractTest, HonoursARequestToStop) {
  for (const int64_t steps : {1, 24, 60, 96}) {
    testing::StoppingProgress progress(steps);
    const Result<Plan> plan = Run({}, {}, progress);
    ASSERT_FALSE(plan.ok()) << steps;
    EXPECT_EQ(plan.error().code, ErrorCode::kInterrupted) << steps;
  }
}

TEST_P(ContractTest, RefusesAnEmptyCalibrationSet) {
  pixels_ = pixels_.narrow(0, 0, 0);
  const Result<Plan> plan = Run();
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code, ErrorCode::kInvalidArgument);
}

// Blank images make LayerNorm inputs constant and whole operands equal: ranges of width 0.
TEST_P(ContractTest, BlankImagesGiveAValidPlan) {
  pixels_.zero_();
  const Result<Plan> plan = Run();
  ASSERT_TRUE(plan.ok()) << plan.error().ToString();
  ExpectMeets(*plan, {});
  EXPECT_TRUE(at::isfinite(exec::MakeSimulatedExecutor(model_, *plan).value()->Run(pixels_)).all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(EveryMethod, ContractTest, ::testing::ValuesIn(Ids()),
                         [](const auto& info) { return info.param; });

TEST(RegistrationTest, TheOrderOfTables) {
  Registry registry;
  ASSERT_TRUE(baselines::RegisterAllBaselines(registry).ok());
  ASSERT_GE(registry.methods().size(), 2U);
  EXPECT_FALSE(registry.Find("skeleton").ok()) << "the template is no baseline";
  EXPECT_FALSE(baselines::RegisterAllBaselines(registry).ok()) << "a second time";
}

}  // namespace
}  // namespace ptq::method
