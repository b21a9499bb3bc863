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
