// What every method must hold, whatever it computes.  A new method enters by RegisterAllBaselines alone.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "baselines/all_baselines.h"
#include "core/exec/executor.h"
#include "tests/contract/method_contract.h"
#include "tests/testing/memory_checkpoint.h"

namespace ptq::method {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

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
  const Result<Plan> one = RunCheaply(Standard());
  at::set_num_threads(2);
  const Result<Plan> two = RunCheaply(Standard());
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

// The harness writes these; a method that did would bind plans to one caller.
TEST_P(ContractTest, LeavesTheProvenanceToTheHarness) {
  const Plan plan = Run().value();
  EXPECT_EQ(plan.method + plan.scheme + plan.parameters + plan.weights_sha256, "");
}

// Somewhere: on random images, on blank ones, or on a model with a dead layer; in the last two many choices are equally
// good and a rule between them shows.  Cheaply first, which is enough for nearly all.
TEST_P(ContractTest, EveryDeclaredParameterIsUsed) {
  const at::Tensor all = pixels_;
  const vit::VitModel alive = model_;
  for (const ParameterSpec& spec : method_.info().parameters) {
    const Given standard = With(Conditions(method_.info().parameters, spec), spec.name, spec.default_value);
    bool matters = false;
    std::string tried;
    for (const bool cheaply : {true, false}) {
      const auto given = [&](const Scheme& scheme, const Given& part) {
        return cheaply ? Cheaper(scheme, part) : part;
      };
      const at::Tensor random = cheaply ? all.narrow(0, 0, 8) : all;
      for (const auto& [model, pixels] :
           {std::pair{alive, random}, std::pair{alive, at::zeros_like(random)}, std::pair{WithDeadHead(), random}}) {
        model_ = model;
        pixels_ = pixels;
        for (const Scheme& scheme : Kinds(spec)) {
          const Result<Plan> plan = matters ? Plan() : Run(scheme, given(scheme, standard));
          if (!plan.ok()) {
            continue;  // other tests ask for an answer here
          }
          for (const ParameterValue& value : OtherValues(spec)) {
            tried += matters ? "" : " " + ToString(value);
            matters = matters || Answer(Run(scheme, given(scheme, With(standard, spec.name, value)))) != Bytes(*plan);
          }
        }
      }
    }
    EXPECT_TRUE(matters) << spec.name << " changed nothing; tried" << tried;
  }
}

// What is kept is found again and does not change an answer, whoever finds it: the keys name all that a part depends
// on.
TEST_P(ContractTest, ACheckpointChangesNothingButTime) {
  FewImages();
  testing::MemoryCheckpoint checkpoint;
  for (const Scheme& scheme : Kinds()) {
    SCOPED_TRACE(scheme.ShortName());
    const std::string undisturbed = Bytes(RunCheaply(scheme).value());
    EXPECT_EQ(Answer(Run(scheme, Cheaper(scheme), checkpoint)), undisturbed);
    const size_t kept = checkpoint.kept().size();
    checkpoint.Forget();
    EXPECT_EQ(Answer(Run(scheme, Cheaper(scheme), checkpoint)), undisturbed);
    EXPECT_EQ(checkpoint.kept().size(), kept) << "the second run did work again";
    EXPECT_TRUE(checkpoint.missed().empty()) << *checkpoint.missed().begin();
    EXPECT_EQ(checkpoint.found().empty(), kept == 0);
  }
  std::vector<Scheme> others = {Standard(8, 6), Standard(6, 8), Standard(6, 6)};
  others[2].mixed = method_.info().mixes_bits;
  others.resize(7, Standard());
  others[3].weight_granularity = quant::Granularity::kPerChannel;
  others[4].quantize_head = false;
  others[5].quantize_attention_products = false;
  others[6].patch_input_bits = 6;
  for (const Scheme& scheme : others) {
    EXPECT_EQ(Answer(Run(scheme, Cheaper(scheme), checkpoint)), Answer(RunCheaply(scheme))) << scheme.ToString();
  }
  for (const ParameterSpec& spec : method_.info().parameters) {
    const Given other = With(Conditions(method_.info().parameters, spec), spec.name, OtherValues(spec).front());
    for (const Scheme& scheme : Kinds(spec)) {
      const Given given = Cheaper(scheme, other);
      EXPECT_EQ(Answer(Run(scheme, given, checkpoint)), Answer(Run(scheme, given))) << spec.name;
    }
  }
}

TEST_P(ContractTest, ARunThatWasStoppedGoesOnToTheSamePlan) {
  for (const Scheme& scheme : Kinds()) {
    const Given given = Cheaper(scheme);
    CountingProgress counting;
    const Result<Plan> undisturbed = Run(scheme, given, counting);
    ASSERT_TRUE(undisturbed.ok()) << undisturbed.error().ToString();
    testing::MemoryCheckpoint checkpoint;
    for (const double part : {0.2, 0.5, 0.8, 0.95}) {
      SCOPED_TRACE(scheme.ShortName() + " stopped at " + std::to_string(part));
      testing::StoppingProgress stopping(static_cast<int64_t>(part * static_cast<double>(counting.steps())));
      const Result<Plan> stopped = Run(scheme, given, stopping, checkpoint);
      if (!stopped.ok()) {
        EXPECT_EQ(stopped.error().code, ErrorCode::kInterrupted) << stopped.error().ToString();
      }
      testing::MemoryCheckpoint resumed = checkpoint;
      EXPECT_EQ(Answer(Run(scheme, given, resumed)), Bytes(*undisturbed));
    }
  }
}

TEST_P(ContractTest, NaNInTheImagesIsAnErrorThatNamesTheOp) {
  pixels_[3][0][2][2] = std::nanf("");
  Scheme scheme = Standard();
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
  const Given given = Cheaper(Standard());
  CountingProgress counting;
  ASSERT_TRUE(Run(Standard(), given, counting).ok());
  ASSERT_GE(counting.steps(), static_cast<int64_t>(vit::AllOps(model_.config()).size())) << "steps too coarse to show";
  for (const double part : {0.0, 0.2, 0.5, 0.8}) {
    testing::StoppingProgress progress(1 + static_cast<int64_t>(part * static_cast<double>(counting.steps())));
    const Result<Plan> plan = Run(Standard(), given, progress);
    ASSERT_FALSE(plan.ok()) << part;
    EXPECT_EQ(plan.error().code, ErrorCode::kInterrupted) << part;
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
  ExpectMeets(*plan, Standard());
  EXPECT_TRUE(at::isfinite(exec::MakeSimulatedExecutor(model_, *plan).value()->Run(pixels_)).all().item<bool>());
}

// A pruned layer: weights that are all zero, and an output that is its bias.
TEST_P(ContractTest, ADeadLayerGivesAValidPlan) {
  model_ = WithDeadHead();
  const Result<Plan> plan = Run();
  ASSERT_TRUE(plan.ok()) << plan.error().ToString();
  ExpectMeets(*plan, Standard());
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
