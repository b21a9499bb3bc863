#include "core/method/parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace ptq::method {
namespace {

using ::testing::HasSubstr;
using Given = std::map<std::string, ParameterValue>;

std::vector<ParameterSpec> Specs() {
  return {
      {"percentile", 0.9999, "kept quantile", 0.5, 1.0, {}},
      {"rounds", int64_t{3}, "search rounds", 1.0, 10.0, {}},
      {"grid", std::string("affine"), "grid", {}, {}, {"affine", "symmetric_full"}},
      {"label", std::string("x"), "free text", {}, {}, {}},
      {"bias_correction", false, "on or off", {}, {}, {}},
  };
}

std::string Fault(const Given& given) {
  const Result<Parameters> resolved = Parameters::Resolve(Specs(), given);
  if (resolved.ok()) {
    return "no fault";
  }
  EXPECT_EQ(resolved.error().code, ErrorCode::kInvalidArgument);
  return resolved.error().message;
}

TEST(ResolveTest, DefaultsHold) {
  const Parameters parameters = Parameters::Resolve(Specs(), {}).value();
  EXPECT_EQ(parameters.Double("percentile"), 0.9999);
  EXPECT_EQ(parameters.Int("rounds"), 3);
  EXPECT_EQ(parameters.String("grid"), "affine");
  EXPECT_FALSE(parameters.Bool("bias_correction"));
}

TEST(ResolveTest, GivenValuesOverrideDefaults) {
  const Parameters parameters = Parameters::Resolve(Specs(), {{"percentile", 0.99},
                                                              {"grid", std::string("symmetric_full")},
                                                              {"rounds", int64_t{10}},
                                                              {"bias_correction", true}})
                                    .value();
  EXPECT_EQ(parameters.Double("percentile"), 0.99);
  EXPECT_EQ(parameters.String("grid"), "symmetric_full");
  EXPECT_EQ(parameters.Int("rounds"), 10);
  EXPECT_TRUE(parameters.Bool("bias_correction"));
}

TEST(ResolveTest, AnIntegerIsAcceptedWhereADoubleIsDeclaredAndStoredAsOne) {
  const Parameters parameters = Parameters::Resolve(Specs(), {{"percentile", int64_t{1}}}).value();
  EXPECT_EQ(parameters.Double("percentile"), 1.0);
  EXPECT_EQ(parameters.ToString(), Parameters::Resolve(Specs(), {{"percentile", 1.0}})->ToString());
}

TEST(ResolveTest, TypesAreNotGuessed) {
  EXPECT_EQ(Fault({{"rounds", 3.0}}), "parameter 'rounds' must be an integer, not a number (3)");
  EXPECT_EQ(Fault({{"percentile", std::string("0.9")}}), "parameter 'percentile' must be a number, not a string (0.9)");
  EXPECT_EQ(Fault({{"bias_correction", int64_t{1}}}),
            "parameter 'bias_correction' must be true or false, not an integer (1)");
  EXPECT_EQ(Fault({{"grid", true}}), "parameter 'grid' must be a string, not true or false (true)");
}

TEST(ResolveTest, RangesIncludeBothEnds) {
  EXPECT_EQ(Fault({{"percentile", 0.5}}), "no fault");
  EXPECT_EQ(Fault({{"percentile", 1.0}}), "no fault");
  EXPECT_EQ(Fault({{"percentile", 1.5}}), "parameter 'percentile' is 1.5; it must lie in 0.5..1");
  EXPECT_EQ(Fault({{"rounds", int64_t{0}}}), "parameter 'rounds' is 0; it must lie in 1..10");
  EXPECT_THAT(Fault({{"percentile", std::nan("")}}), HasSubstr("must lie in"));
  EXPECT_THAT(Fault({{"percentile", INFINITY}}), HasSubstr("must lie in"));
}

TEST(ResolveTest, NaNIsRefusedEvenWithoutARange) {
  const std::vector<ParameterSpec> specs = {{"free", 1.0, "any number", {}, {}, {}}};
  EXPECT_FALSE(Parameters::Resolve(specs, {{"free", std::nan("")}}).ok());
  EXPECT_TRUE(Parameters::Resolve(specs, {{"free", -1e300}}).ok());
}

TEST(ResolveTest, ChoicesAreListedWithTheNearest) {
  EXPECT_EQ(Fault({{"grid", std::string("afine")}}),
            "parameter 'grid' is 'afine'; it must be one of affine, symmetric_full; did you mean 'affine'?");
  EXPECT_EQ(Fault({{"label", std::string("anything goes")}}), "no fault");
}

TEST(ResolveTest, UnknownNamesSuggestTheNearest) {
  EXPECT_EQ(Fault({{"percentil", 0.9}}), "no parameter is called 'percentil'; did you mean 'percentile'?");
  EXPECT_EQ(Fault({{"zzzzzzzzzz", 0.9}}), "no parameter is called 'zzzzzzzzzz'");
}

// The empty name has no nearest one, and was once taken for a declared parameter because of that.
TEST(ResolveTest, TheEmptyNameIsUnknown) {
  const std::vector<ParameterSpec> specs = {{"percentile", 0.9, "kept quantile", 0.5, 1.0, {}}};
  EXPECT_FALSE(Parameters::Resolve(specs, {{"", 0.9}}).ok());
  EXPECT_FALSE(Parameters::Resolve({}, {{"", 0.9}}).ok());
}

TEST(ResolveTest, EveryFaultIsReportedAtOnce) {
  EXPECT_EQ(Fault({{"percentile", 2.0}, {"rounds", std::string("x")}, {"grid", std::string("q")}, {"colour", true}}),
            "parameter 'percentile' is 2; it must lie in 0.5..1\n"
            "parameter 'rounds' must be an integer, not a string (x)\n"
            "parameter 'grid' is 'q'; it must be one of affine, symmetric_full\n"
            "no parameter is called 'colour'");
}

// `loss` decides which of the others are read.
std::vector<ParameterSpec> Conditional() {
  std::vector<ParameterSpec> specs(4);
  specs[0].name = "loss";
  specs[0].default_value = std::string("pearson");
  specs[0].choices = {"pearson", "ranking"};
  specs[1].name = "theta";
  specs[1].default_value = 0.2;
  specs[1].min = 0.0;
  specs[1].used_when = UsedWhen{"loss", std::string("ranking")};
  specs[2].name = "rounds";
  specs[2].default_value = int64_t{1};
  specs[2].used_when = UsedWhen{"search", true};
  specs[3].name = "search";
  specs[3].default_value = true;
  return specs;
}

std::string ConditionalFault(const Given& given) {
  const Result<Parameters> resolved = Parameters::Resolve(Conditional(), given);
  return resolved.ok() ? "no fault" : resolved.error().message;
}

TEST(UsedWhenTest, AParameterThatNobodyReadsIsAnError) {
  EXPECT_EQ(ConditionalFault({}), "no fault");
  EXPECT_EQ(ConditionalFault({{"theta", 0.1}, {"loss", std::string("ranking")}}), "no fault");
  EXPECT_EQ(ConditionalFault({{"loss", std::string("ranking")}}), "no fault");
  EXPECT_EQ(ConditionalFault({{"theta", 0.1}}),
            "parameter 'theta' is read only where loss = ranking; leave it out or set that");
  // Even where it repeats the default.
  EXPECT_EQ(ConditionalFault({{"theta", 0.2}, {"loss", std::string("pearson")}}),
            "parameter 'theta' is read only where loss = ranking; leave it out or set that");
}

TEST(UsedWhenTest, TheConditionMayBeDeclaredLaterAndHoldByDefault) {
  EXPECT_EQ(ConditionalFault({{"rounds", int64_t{3}}}), "no fault");
  EXPECT_EQ(ConditionalFault({{"rounds", int64_t{3}}, {"search", false}}),
            "parameter 'rounds' is read only where search = true; leave it out or set that");
}

TEST(UsedWhenTest, AFaultyConditionIsReportedAlone) {
  EXPECT_EQ(ConditionalFault({{"theta", 0.1}, {"loss", std::string("rnaking")}}),
            "parameter 'loss' is 'rnaking'; it must be one of pearson, ranking; did you mean 'ranking'?");
}

TEST(UsedWhenTest, TheUnreadKeepTheirDefaults) {
  const Parameters parameters = Parameters::Resolve(Conditional(), {}).value();
  EXPECT_EQ(parameters.Double("theta"), 0.2);
  EXPECT_EQ(parameters.ToString(), "loss=pearson rounds=1 search=true theta=0.2");
}

TEST(CheckTest, TheTextIsLegalWhereTheCheckSaysSo) {
  ParameterSpec spec;
  spec.name = "bits";
  spec.default_value = std::string("auto");
  spec.check = [](const std::string& text) -> Status {
    return text == "4,5,6" ? OkStatus() : Status(InvalidArgument("write widths with commas, as in 4,5,6"));
  };
  EXPECT_EQ(Parameters::Resolve({spec}, {{"bits", std::string("4,5,6")}})->String("bits"), "4,5,6");
  const Result<Parameters> wrong = Parameters::Resolve({spec}, {{"bits", std::string("4;5")}});
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(wrong.error().message, "parameter 'bits' is '4;5'; write widths with commas, as in 4,5,6");
  // The type comes first, and a default is the method's own affair.
  EXPECT_EQ(Parameters::Resolve({spec}, {{"bits", int64_t{4}}}).error().message,
            "parameter 'bits' must be a string, not an integer (4)");
  EXPECT_EQ(Parameters::Resolve({spec}, {})->String("bits"), "auto");
}

// Part of a trial's key: a change of this text moves trials.
TEST(ParametersTest, CanonicalTextIsFrozen) {
  EXPECT_EQ(Parameters::Resolve(Specs(), {})->ToString(),
            "bias_correction=false grid=affine label=x percentile=0.9999 rounds=3");
  EXPECT_EQ(Parameters::Resolve({}, {})->ToString(), "");
}

TEST(ToStringTest, DoublesAreTheShortestThatReadBack) {
  EXPECT_EQ(ToString(ParameterValue(0.1)), "0.1");
  EXPECT_EQ(ToString(ParameterValue(1.0)), "1");
  EXPECT_EQ(ToString(ParameterValue(1e-7)), "1e-07");
  EXPECT_EQ(ToString(ParameterValue(2.0 / 3)), "0.6666666666666666");
  EXPECT_EQ(ToString(ParameterValue(int64_t{-8})), "-8");
  EXPECT_EQ(ToString(ParameterValue(true)), "true");
  EXPECT_EQ(ToString(ParameterValue(std::string("affine"))), "affine");
}

TEST(ParametersDeathTest, AskingForWhatWasNotDeclaredAborts) {
  const Parameters parameters = Parameters::Resolve(Specs(), {}).value();
  EXPECT_DEATH((void)parameters.Double("percentil"), "parameter 'percentil' was not declared");
  EXPECT_DEATH((void)parameters.Int("percentile"), "parameter 'percentile' is a number");
}

}  // namespace
}  // namespace ptq::method
