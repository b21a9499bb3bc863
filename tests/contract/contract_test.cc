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
#include "tests/testing/memory_checkpoint.h"
#include "tests/testing/staged_method.h"
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
    PTQ_CHECK(all->Add(testing::MakeStaged()).ok());
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
    for (const std::string& example : spec.examples) {
      values.emplace_back(example);
    }
  }
  values.erase(std::remove(values.begin(), values.end(), spec.default_value), values.end());
  return values;
}

// What must be given so that `spec` is read: its condition, the condition's own, and so on.
Given Conditions(const std::vector<ParameterSpec>& specs, const ParameterSpec& spec) {
  Given given;
  const ParameterSpec* at = &spec;
  while (at != nullptr && at->used_when && given.count(at->used_when->name) == 0) {
    const UsedWhen& condition = *at->used_when;
    given[condition.name] = condition.value;
    const auto next = std::find_if(specs.begin(), specs.end(), [&](const auto& s) { return s.name == condition.name; });
    at = next == specs.end() ? nullptr : &*next;
  }
  return given;
}

Given With(Given given, const std::string& name, const ParameterValue& value) {
  given[name] = value;
  return given;
}

// Whether rows q, rows k and rows v of a fused weight each have one scale and one zero point.
bool IsThreeLinears(const quant::QuantParams& params) {
  const size_t third = params.scale.size() / 3;
  for (size_t row = 0; row < params.scale.size(); ++row) {
    const size_t first = row / third * third;
    if (params.scale[row] != params.scale[first] || params.zero_point[row] != params.zero_point[first]) {
      return false;
    }
  }
  return params.axis == 0 && params.scale.size() == 3 * third;
}

// The group that an op's bits come from; null where it is in none.
const BitAllocation::Group* GroupOf(const BitAllocation& allocation, const vit::OpId& op) {
  const std::string block = "blocks." + std::to_string(op.block);
  for (const BitAllocation::Group& group : allocation.groups) {
    if (group.name == op.name() ||
        (op.block >= 0 && group.kind == "attn" && group.name == block + ".attn" && op.in_attention()) ||
        (op.block >= 0 && group.kind == "mlp" && group.name == block + ".mlp" && !op.in_attention())) {
      return &group;
    }
  }
  return nullptr;
}

class CountingProgress final : public Progress {
 public:
  void Begin(const std::string&, int64_t) override {}
  void Advance(int64_t steps) override { steps_ += steps; }
  void End() override {}
  bool stop_requested() const override { return false; }
  int64_t steps() const { return steps_; }

 private:
  int64_t steps_ = 0;
};

class ContractTest : public ::testing::TestWithParam<std::string> {
 protected:
  ContractTest()
      : method_(**Methods().Find(GetParam())),
        model_(testing::TinyModel(true)),
        pixels_(testing::RandomImages(model_.config(), 24)) {}

  Result<Plan> Run(const Scheme& scheme, const Given& given, Progress& progress, Checkpoint& checkpoint) const {
    PTQ_ASSIGN_OR_RETURN(const Parameters parameters,
                         Parameters::Resolve(method_.info().parameters, given, scheme.mixed));
    PTQ_RETURN_IF_ERROR(CheckSupport(method_, scheme, parameters, model_.config()));
    testing::MemoryImages images(pixels_);
    calib::Calibration calibration(model_, images, progress, 16);
    return method_.Quantize(
        {model_, calibration, scheme, parameters, RandomStream(1, "contract"), progress, checkpoint});
  }
  Result<Plan> Run(const Scheme& scheme, const Given& given, Progress& progress) const {
    NullCheckpoint checkpoint;
    return Run(scheme, given, progress, checkpoint);
  }
  Result<Plan> Run(const Scheme& scheme, const Given& given, Checkpoint& checkpoint) const {
    NullProgress progress;
    return Run(scheme, given, progress, checkpoint);
  }
  Result<Plan> Run(const Scheme& scheme = {}, const Given& given = {}) const {
    NullProgress progress;
    return Run(scheme, given, progress);
  }
  // The bytes of the plan, or the text of the refusal.
  std::string Answer(const Result<Plan>& plan) const { return plan.ok() ? Bytes(*plan) : plan.error().ToString(); }

  // W8A8, and W8A8 MP of a method that mixes.
  std::vector<Scheme> Kinds() const {
    std::vector<Scheme> kinds(method_.info().mixes_bits ? 2 : 1);
    kinds.back().mixed = method_.info().mixes_bits;
    return kinds;
  }

  // Those of them under which a parameter is read.
  std::vector<Scheme> Kinds(const ParameterSpec& spec) const {
    std::vector<Scheme> kinds = Kinds();
    if (spec.mixed_only) {
      kinds.erase(kinds.begin());
    }
    return kinds;
  }

  // The bits that an operand must have.
  int BitsOf(const Plan& plan, const Scheme& scheme, const vit::OperandId& operand) const {
    if (!scheme.mixed) {
      return scheme.BitsOf(operand);
    }
    const BitAllocation& allocation = *plan.allocation;
    const BitAllocation::Group* group = GroupOf(allocation, operand.op);
    return group == nullptr ? scheme.BitsOf(operand)
                            : allocation.choice().bits[static_cast<size_t>(group - allocation.groups.data())];
  }

  // The plan names exactly the scheme's operands, at its bits, and fits the model.
  void ExpectMeets(const Plan& plan, const Scheme& scheme) const {
    std::set<std::string> planned;
    std::set<std::string> covered;
    ASSERT_EQ(plan.allocation.has_value(), scheme.mixed);
    for (const auto& [operand, params] : plan.operands) {
      planned.insert(operand.name());
      EXPECT_EQ(params.num_bits, BitsOf(plan, scheme, operand)) << operand.name();
      if (operand.is_weight() && params.granularity != scheme.weight_granularity) {
        EXPECT_EQ(operand.op.kind, vit::OpKind::kQkv) << operand.name() << ": granularity";
        EXPECT_TRUE(params.granularity == quant::Granularity::kPerChannel && IsThreeLinears(params)) << operand.name();
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

  vit::VitModel WithDeadHead() const {
    const vit::VitConfig& config = model_.config();
    const std::vector<float> zeros(config.classes * config.width, 0.0F);
    return model_.WithReplaced({{"head.weight", vit::MakeTensor(zeros, {config.classes, config.width})}}).value();
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
    const Given conditions = Conditions(info.parameters, spec);
    const auto is_legal = [&](const ParameterValue& value) {
      const Result<Parameters> resolved =
          Parameters::Resolve(info.parameters, With(conditions, spec.name, value), spec.mixed_only);
      return resolved.ok() ? "" : resolved.error().message;
    };
    EXPECT_EQ(is_legal(spec.default_value), "");
    EXPECT_FALSE(OtherValues(spec).empty()) << spec.name << " has no other value than its default; a text with a check "
                                            << "needs examples";
    for (const ParameterValue& value : OtherValues(spec)) {
      EXPECT_EQ(is_legal(value), "");
    }
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

// Somewhere: on random images, on blank ones, or on a model with a dead layer; in the last two many choices are equally
// good and a rule between them shows.
TEST_P(ContractTest, EveryDeclaredParameterIsUsed) {
  const at::Tensor random = pixels_;
  const vit::VitModel alive = model_;
  for (const ParameterSpec& spec : method_.info().parameters) {
    const Given conditions = Conditions(method_.info().parameters, spec);
    bool matters = false;
    std::string tried;
    for (const auto& [model, pixels] :
         {std::pair{alive, random}, std::pair{alive, at::zeros_like(random)}, std::pair{WithDeadHead(), random}}) {
      model_ = model;
      pixels_ = pixels;
      for (const Scheme& scheme : Kinds(spec)) {
        const Result<Plan> standard = matters ? Plan() : Run(scheme, conditions);
        if (!standard.ok()) {
          continue;  // other tests ask for an answer here
        }
        for (const ParameterValue& value : OtherValues(spec)) {
          tried += matters ? "" : " " + ToString(value);
          matters = matters || Answer(Run(scheme, With(conditions, spec.name, value))) != Bytes(*standard);
        }
      }
    }
    EXPECT_TRUE(matters) << spec.name << " changed nothing; tried" << tried;
  }
}

TEST_P(ContractTest, MixedPrecisionIsMetOrRefused) {
  for (const int bits : {4, 6, 8}) {
    Scheme scheme{bits, bits};
    scheme.mixed = true;
    SCOPED_TRACE(scheme.ShortName());
    const Result<Plan> plan = Run(scheme);
    if (!method_.info().mixes_bits) {
      ASSERT_FALSE(plan.ok());
      EXPECT_EQ(plan.error().code, ErrorCode::kUnsupported);
      EXPECT_THAT(plan.error().message, HasSubstr("mixed precision"));
      continue;
    }
    ASSERT_TRUE(plan.ok()) << plan.error().ToString();
    ASSERT_TRUE(plan->allocation.has_value());
    const BitAllocation& allocation = *plan->allocation;
    const Status valid = Validate(allocation);
    ASSERT_TRUE(valid.ok()) << valid.error().ToString();
    ExpectMeets(*plan, scheme);
    EXPECT_EQ(allocation.target_bits, bits);
    std::set<const BitAllocation::Group*> used;
    for (const auto& [operand, params] : plan->operands) {
      used.insert(GroupOf(allocation, operand.op));
    }
    for (const BitAllocation::Group& group : allocation.groups) {
      EXPECT_EQ(used.count(&group), 1U) << group.name << " holds no quantized op";
    }
    for (size_t p = 1; p < allocation.front.size(); ++p) {
      EXPECT_GT(allocation.front[p].size_bytes, allocation.front[p - 1].size_bytes) << p;
      EXPECT_LT(allocation.front[p].omega, allocation.front[p - 1].omega) << p;
    }
    const double paper_bytes = SizeUnder(*plan, model_.config()).paper_bytes;
    EXPECT_NEAR(allocation.choice().size_bytes, paper_bytes, 1e-6 * paper_bytes);
  }
}

// What is kept is found again and does not change an answer, whoever finds it: the keys name all that a part depends
// on.
TEST_P(ContractTest, ACheckpointChangesNothingButTime) {
  pixels_ = pixels_.narrow(0, 0, 8);
  testing::MemoryCheckpoint checkpoint;
  for (const Scheme& scheme : Kinds()) {
    SCOPED_TRACE(scheme.ShortName());
    const std::string undisturbed = Bytes(Run(scheme).value());
    EXPECT_EQ(Answer(Run(scheme, {}, checkpoint)), undisturbed);
    const size_t kept = checkpoint.kept().size();
    checkpoint.Forget();
    EXPECT_EQ(Answer(Run(scheme, {}, checkpoint)), undisturbed);
    EXPECT_EQ(checkpoint.kept().size(), kept) << "the second run did work again";
    EXPECT_TRUE(checkpoint.missed().empty()) << *checkpoint.missed().begin();
    EXPECT_EQ(checkpoint.found().empty(), kept == 0);
  }
  std::vector<Scheme> others = {Scheme{8, 6}, Scheme{6, 8}, Scheme{6, 6}};
  others[2].mixed = method_.info().mixes_bits;
  others.resize(6);
  others[3].weight_granularity = quant::Granularity::kPerChannel;
  others[4].quantize_head = false;
  others[5].quantize_attention_products = false;
  for (const Scheme& scheme : others) {
    EXPECT_EQ(Answer(Run(scheme, {}, checkpoint)), Answer(Run(scheme))) << scheme.ToString();
  }
  for (const ParameterSpec& spec : method_.info().parameters) {
    const Given given = With(Conditions(method_.info().parameters, spec), spec.name, OtherValues(spec).front());
    for (const Scheme& scheme : Kinds(spec)) {
      EXPECT_EQ(Answer(Run(scheme, given, checkpoint)), Answer(Run(scheme, given))) << spec.name;
    }
  }
}

TEST_P(ContractTest, ARunThatWasStoppedGoesOnToTheSamePlan) {
  for (const Scheme& scheme : Kinds()) {
    CountingProgress counting;
    const Result<Plan> undisturbed = Run(scheme, {}, counting);
    ASSERT_TRUE(undisturbed.ok()) << undisturbed.error().ToString();
    testing::MemoryCheckpoint checkpoint;
    for (const double part : {0.2, 0.5, 0.8, 0.95}) {
      SCOPED_TRACE(scheme.ShortName() + " stopped at " + std::to_string(part));
      testing::StoppingProgress stopping(static_cast<int64_t>(part * static_cast<double>(counting.steps())));
      const Result<Plan> stopped = Run(scheme, {}, stopping, checkpoint);
      if (!stopped.ok()) {
        EXPECT_EQ(stopped.error().code, ErrorCode::kInterrupted) << stopped.error().ToString();
      }
      testing::MemoryCheckpoint resumed = checkpoint;
      EXPECT_EQ(Answer(Run(scheme, {}, resumed)), Bytes(*undisturbed));
    }
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

// Blank images make LayerNorm inputs constant and whole operands equal: ranges of width 0.  A method may refuse to
// choose, with the operand's name.
TEST_P(ContractTest, BlankImagesGiveAValidPlanOrNameTheOperand) {
  pixels_.zero_();
  const Result<Plan> plan = Run();
  if (!plan.ok()) {
    EXPECT_EQ(plan.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(plan.error().where, "patch_embed.proj.left");
    return;
  }
  ExpectMeets(*plan, {});
  EXPECT_TRUE(at::isfinite(exec::MakeSimulatedExecutor(model_, *plan).value()->Run(pixels_)).all().item<bool>());
}

// A pruned layer: weights that are all zero, and an output that is its bias.
TEST_P(ContractTest, ADeadLayerGivesAValidPlan) {
  model_ = WithDeadHead();
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
  EXPECT_FALSE(registry.Find("staged").ok()) << "made for tests";
  EXPECT_FALSE(baselines::RegisterAllBaselines(registry).ok()) << "a second time";
}

}  // namespace
}  // namespace ptq::method
