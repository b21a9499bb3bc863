#include "core/allocate/allocate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include "core/base/random.h"

namespace ptq::allocate {
namespace {

using method::BitAllocation;
using Point = BitAllocation::Point;
using ::testing::HasSubstr;

constexpr Rule kRules[] = {Rule::kPareto, Rule::kMonotone, Rule::kMonotonePerKind};

bool Allowed(const Problem& problem, Rule rule, const std::vector<int>& bits) {
  for (size_t i = 0; i < bits.size(); ++i) {
    for (size_t j = 0; j < bits.size(); ++j) {
      const BitAllocation::Group& a = problem.groups[i];
      const BitAllocation::Group& b = problem.groups[j];
      const bool comes_before = a.nuclear_norm < b.nuclear_norm || (a.nuclear_norm == b.nuclear_norm && i < j);
      const bool comparable = rule == Rule::kMonotone || (rule == Rule::kMonotonePerKind && a.kind == b.kind);
      if (comparable && comes_before && bits[i] > bits[j]) {
        return false;
      }
    }
  }
  return true;
}

// Every assignment that the rule allows, in lexicographic order.
std::vector<Point> EveryAssignment(const Problem& problem, Rule rule) {
  std::vector<Point> points;
  const size_t groups = problem.groups.size();
  std::vector<size_t> candidate(groups, 0);
  for (size_t g = groups; true;) {
    Point point;
    int64_t units = 0;
    for (size_t i = 0; i < groups; ++i) {
      point.bits.push_back(problem.candidate_bits[candidate[i]]);
      units += problem.groups[i].parameters * point.bits.back();
      point.omega += problem.groups[i].omega[candidate[i]];
    }
    point.size_bytes = problem.other_bytes + static_cast<double>(units) / 8;
    if (Allowed(problem, rule, point.bits)) {
      points.push_back(point);
    }
    for (g = groups; g-- > 0;) {
      if (++candidate[g] < problem.candidate_bits.size()) {
        break;
      }
      candidate[g] = 0;
    }
    if (g == std::numeric_limits<size_t>::max()) {
      return points;
    }
  }
}

std::vector<Point> PlainFront(const std::vector<Point>& points) {
  std::vector<Point> front;
  for (size_t i = 0; i < points.size(); ++i) {
    bool dominated = false;
    for (size_t j = 0; j < points.size() && !dominated; ++j) {
      const bool as_good = points[j].size_bytes <= points[i].size_bytes && points[j].omega <= points[i].omega;
      const bool equal = points[j].size_bytes == points[i].size_bytes && points[j].omega == points[i].omega;
      dominated = as_good && (!equal || j < i);
    }
    if (!dominated) {
      front.push_back(points[i]);
    }
  }
  std::sort(front.begin(), front.end(), [](const Point& a, const Point& b) { return a.size_bytes < b.size_bytes; });
  return front;
}

void ExpectBruteForce(const Problem& problem, Rule rule) {
  const std::vector<Point> front = PlainFront(EveryAssignment(problem, rule));
  const Result<BitAllocation> found = Allocate(problem, rule);
  if (front.front().size_bytes > problem.budget_bytes) {
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code, ErrorCode::kInvalidArgument);
    return;
  }
  ASSERT_TRUE(found.ok()) << found.error().ToString();
  EXPECT_TRUE(Validate(*found).ok()) << Validate(*found).error().ToString();
  ASSERT_EQ(found->front.size(), front.size());
  int64_t chosen = 0;
  for (size_t i = 0; i < front.size(); ++i) {
    EXPECT_EQ(found->front[i].size_bytes, front[i].size_bytes) << i;
    EXPECT_EQ(found->front[i].omega, front[i].omega) << i;
    EXPECT_EQ(found->front[i].bits, front[i].bits) << i;
    if (front[i].size_bytes <= problem.budget_bytes) {
      chosen = static_cast<int64_t>(i);
    }
  }
  EXPECT_EQ(found->chosen, chosen);
  EXPECT_LE(found->choice().size_bytes, problem.budget_bytes);
}

struct Draw {
  const char* name;
  std::function<double(RandomStream&)> omega;
  std::function<int64_t(RandomStream&)> parameters;
};

double Pick(RandomStream& stream, const std::vector<double>& values) { return values[stream.NextBelow(values.size())]; }

// Falling and arbitrary sensitivities, ties, zeros, and sums whose last bits depend on the order of addition.
std::vector<Draw> Draws() {
  auto any = [](RandomStream& s) { return static_cast<int64_t>(1 + s.NextBelow(1000000)); };
  auto few = [](RandomStream& s) { return static_cast<int64_t>(s.NextBelow(2) == 0 ? 591360 : 1181568); };
  auto one = [](RandomStream&) { return int64_t{7}; };
  auto uniform = [](RandomStream& s) { return s.NextDouble(); };
  auto tenths = [](RandomStream& s) { return 0.1 * static_cast<double>(s.NextBelow(10)); };
  auto zero = [](RandomStream&) { return 0.0; };
  auto absorbed = [](RandomStream& s) { return Pick(s, {0, 1e-17, 2e-17, 1e-16, 3e-16, 1, 1 + 0x1p-52, 1e16, 3e16}); };
  return {{"uniform, any", uniform, any}, {"uniform, few", uniform, few},   {"uniform, one", uniform, one},
          {"tenths, any", tenths, any},   {"tenths, few", tenths, few},     {"tenths, one", tenths, one},
          {"zero, few", zero, few},       {"absorbed, few", absorbed, few}, {"absorbed, one", absorbed, one}};
}

Problem RandomProblem(const Draw& draw, int groups, RandomStream& stream) {
  Problem problem;
  problem.target_bits = 6;
  problem.candidate_bits = {4, 5, 6, 7, 8};
  problem.other_bytes = 1000.5;
  double uniform_size = problem.other_bytes;
  for (int g = 0; g < groups; ++g) {
    BitAllocation::Group group;
    group.name = "group " + std::to_string(g);
    group.kind = stream.NextBelow(2) == 0 ? "attn" : "mlp";
    group.parameters = draw.parameters(stream);
    group.nuclear_norm = static_cast<double>(stream.NextBelow(4));
    for (size_t c = 0; c < problem.candidate_bits.size(); ++c) {
      group.omega.push_back(draw.omega(stream));
    }
    if (stream.NextBelow(3) > 0) {
      std::sort(group.omega.rbegin(), group.omega.rend());
    }
    uniform_size += static_cast<double>(group.parameters) * 6 / 8;
    problem.groups.push_back(group);
  }
  problem.budget_bytes = uniform_size * (0.6 + 0.8 * stream.NextDouble());
  return problem;
}

TEST(AllocateTest, EqualsBruteForce) {
  RandomStream stream(1, "problems");
  for (const Draw& draw : Draws()) {
    for (int i = 0; i < 12; ++i) {
      const Problem problem = RandomProblem(draw, i % 4 == 0 ? 5 : 4, stream);
      for (const Rule rule : kRules) {
        SCOPED_TRACE(std::string(draw.name) + ", problem " + std::to_string(i) + ", rule " +
                     std::to_string(static_cast<int>(rule)));
        ExpectBruteForce(problem, rule);
      }
    }
  }
}

// 10 groups: the ranks of partial assignments are compressed in between.
TEST(AllocateTest, EqualsBruteForceOnManyGroupsOfTwoWidths) {
  RandomStream stream(2, "problems");
  for (const Draw& draw : Draws()) {
    Problem problem = RandomProblem(draw, 10, stream);
    problem.candidate_bits = {4, 8};
    for (BitAllocation::Group& group : problem.groups) {
      group.omega.resize(2);
    }
    for (const Rule rule : kRules) {
      SCOPED_TRACE(draw.name);
      ExpectBruteForce(problem, rule);
    }
  }
}

// After a and b, (8, 4) is less sensitive than (4, 8) of the same size; c makes both round to the same sum, and then
// the smaller bits stand, so that (4, 8) must not have been dropped.
TEST(AllocateTest, OfSumsThatRoundToTheSameTheSmallestBitsStand) {
  Problem problem;
  problem.candidate_bits = {4, 8};
  problem.groups = {
      {"a", "attn", 10, 1, {52.5, 0}}, {"b", "mlp", 10, 1, {52, 0}}, {"c", "mlp", 40, 1, {0x1p54, 0x1p54}}};
  problem.budget_bytes = 1000;
  ExpectBruteForce(problem, Rule::kPareto);
  const BitAllocation allocation = Allocate(problem, Rule::kPareto).value();
  ASSERT_EQ(allocation.front.size(), 3U);
  EXPECT_EQ(allocation.front[1].omega, 0x1p54 + 52);
  EXPECT_EQ(allocation.front[1].bits, (std::vector<int>{4, 8, 4}));
}

// Of 30 equal groups, whichever take the greater width, the sums are equal: the last ones do.
TEST(AllocateTest, TiesAmongManyGroupsGoToTheSmallestBits) {
  Problem problem;
  problem.candidate_bits = {4, 8};
  problem.budget_bytes = 1e6;
  for (int g = 0; g < 30; ++g) {
    problem.groups.push_back({std::to_string(g), "attn", 10, 1, {1, 0}});
  }
  const BitAllocation allocation = Allocate(problem, Rule::kPareto).value();
  ASSERT_EQ(allocation.front.size(), 31U);
  for (size_t wide = 0; wide <= 30; ++wide) {
    std::vector<int> bits(30, 4);
    std::fill(bits.end() - static_cast<int64_t>(wide), bits.end(), 8);
    EXPECT_EQ(allocation.front[wide].bits, bits) << wide;
  }
}

TEST(AllocateTest, CopiesTheProblemAndAddsUp) {
  RandomStream stream(3, "problems");
  const Problem problem = RandomProblem(Draws()[0], 5, stream);
  const BitAllocation allocation = Allocate(problem, Rule::kPareto).value();
  EXPECT_EQ(allocation.target_bits, 6);
  EXPECT_EQ(allocation.budget_bytes, problem.budget_bytes);
  EXPECT_EQ(allocation.candidate_bits, problem.candidate_bits);
  ASSERT_EQ(allocation.groups.size(), 5U);
  EXPECT_EQ(allocation.groups[3].name, "group 3");
  EXPECT_EQ(allocation.groups[3].omega, problem.groups[3].omega);
  for (const Point& point : allocation.front) {
    double omega = 0;
    double size = problem.other_bytes;
    for (size_t g = 0; g < point.bits.size(); ++g) {
      omega += problem.groups[g].omega[point.bits[g] - 4];
      size += static_cast<double>(problem.groups[g].parameters * point.bits[g]) / 8;
    }
    EXPECT_EQ(point.omega, omega);
    EXPECT_EQ(point.size_bytes, size);
  }
}

TEST(AllocateTest, TheBudgetMayBeMetExactly) {
  Problem problem;
  problem.candidate_bits = {4, 5, 6};
  problem.groups = {{"a", "attn", 8, 1, {4, 2, 1}}};
  problem.other_bytes = 1;
  problem.budget_bytes = 6;
  EXPECT_EQ(Allocate(problem, Rule::kPareto)->choice().bits, (std::vector<int>{5}));
  problem.budget_bytes = 5.999;
  EXPECT_EQ(Allocate(problem, Rule::kPareto)->choice().bits, (std::vector<int>{4}));
  problem.budget_bytes = 1e9;
  EXPECT_EQ(Allocate(problem, Rule::kPareto)->choice().bits, (std::vector<int>{6}));
}

TEST(AllocateTest, ABudgetThatNothingMeetsNamesTheSmallestSize) {
  Problem problem;
  problem.candidate_bits = {4, 5, 6};
  problem.groups = {{"a", "attn", 8, 1, {4, 2, 1}}, {"b", "mlp", 3, 1, {4, 2, 1}}};
  problem.other_bytes = 100;
  problem.budget_bytes = 105;
  for (const Rule rule : kRules) {
    const Result<BitAllocation> found = Allocate(problem, rule);
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(found.error().ToString(),
              "the smallest possible size is 105.5 bytes and the budget 105; raise the budget or offer fewer bits");
  }
}

// Ties in norm keep the order of the groups: the earlier one takes no more bits.
TEST(AllocateTest, MonotoneGivesMoreBitsToTheGreaterNorm) {
  Problem problem;
  problem.candidate_bits = {4, 8};
  problem.groups = {{"a", "attn", 8, 5, {9, 0}}, {"b", "mlp", 8, 5, {1, 0}}, {"c", "attn", 8, 2, {9, 0}}};
  problem.budget_bytes = 16;
  EXPECT_EQ(Allocate(problem, Rule::kPareto)->choice().bits, (std::vector<int>{4, 4, 8}));
  EXPECT_EQ(Allocate(problem, Rule::kMonotone)->choice().bits, (std::vector<int>{4, 8, 4}));
  EXPECT_EQ(Allocate(problem, Rule::kMonotonePerKind)->choice().bits, (std::vector<int>{8, 4, 4}));
}

// Groups of an L-block model of width d (4d^2 + 4d and 8d^2 + 5d parameters), sensitivities falling by 4 per bit.
Problem ModelProblem(int blocks, int64_t width, std::vector<int> bits) {
  RandomStream stream(4, "model");
  Problem problem;
  problem.candidate_bits = std::move(bits);
  problem.target_bits = problem.candidate_bits[2];
  for (int i = 0; i < 2 * blocks; ++i) {
    const bool is_attention = i % 2 == 0;
    const int64_t parameters = is_attention ? 4 * width * width + 4 * width : 8 * width * width + 5 * width;
    BitAllocation::Group group{std::to_string(i), is_attention ? "attn" : "mlp", parameters, stream.NextDouble(), {}};
    const double scale = std::exp(6 * stream.NextDouble());
    for (const int b : problem.candidate_bits) {
      group.omega.push_back(scale * std::pow(4.0, -b) * (0.8 + 0.4 * stream.NextDouble()));
    }
    problem.budget_bytes += 1.01 * static_cast<double>(group.parameters * problem.target_bits) / 8;
    problem.groups.push_back(group);
  }
  return problem;
}

TEST(AllocateTest, GroupsCountAsTheSpecificationSays) {
  EXPECT_EQ(ModelProblem(1, 768, {6, 7, 8}).groups[0].parameters, 2362368);
  EXPECT_EQ(ModelProblem(1, 768, {6, 7, 8}).groups[1].parameters, 4722432);
  EXPECT_EQ(ModelProblem(1, 384, {6, 7, 8}).groups[0].parameters, 591360);
  EXPECT_EQ(ModelProblem(1, 384, {6, 7, 8}).groups[1].parameters, 1181568);
  EXPECT_EQ(ModelProblem(1, 1024, {6, 7, 8}).groups[0].parameters, 4198400);
  EXPECT_EQ(ModelProblem(1, 1024, {6, 7, 8}).groups[1].parameters, 8393728);
}

void ExpectSoundChoice(const Problem& problem, Rule rule, size_t most_points) {
  const Result<BitAllocation> found = Allocate(problem, rule);
  ASSERT_TRUE(found.ok()) << found.error().ToString();
  EXPECT_TRUE(Validate(*found).ok());
  EXPECT_LE(found->front.size(), most_points);
  for (size_t i = 1; i < found->front.size(); ++i) {
    EXPECT_LT(found->front[i - 1].size_bytes, found->front[i].size_bytes);
    EXPECT_GT(found->front[i - 1].omega, found->front[i].omega);
  }
  // The budget is used but for less than one more bit of the largest group.
  EXPECT_LE(found->choice().size_bytes, problem.budget_bytes);
  EXPECT_GT(found->choice().size_bytes, problem.budget_bytes - static_cast<double>(problem.groups[1].parameters) / 8);
  EXPECT_TRUE(Allowed(problem, rule, found->choice().bits));
}

TEST(AllocateTest, RealModelsAreSmallProblems) {
  for (const int64_t width : {192, 384, 768}) {
    for (const std::vector<int>& bits : {std::vector<int>{4, 5, 6, 7, 8}, std::vector<int>{6, 7, 8, 9, 10}}) {
      const Problem problem = ModelProblem(12, width, bits);
      ExpectSoundChoice(problem, Rule::kPareto, 49 * 49);
      ExpectSoundChoice(problem, Rule::kMonotone, 20475);
      const double joint = Allocate(problem, Rule::kMonotone)->choice().omega;
      EXPECT_LE(Allocate(problem, Rule::kPareto)->choice().omega, joint);
    }
  }
  const Problem large = ModelProblem(24, 1024, {6, 7, 8, 9, 10});
  ExpectSoundChoice(large, Rule::kPareto, 97 * 97);
  ExpectSoundChoice(large, Rule::kMonotone, 270725);
}

TEST(AllocateTest, AHundredGroupsOfTwoSizesAndEveryWidthFit) {
  std::vector<int> bits;
  for (int b = 2; b <= 16; ++b) {
    bits.push_back(b);
  }
  ExpectSoundChoice(ModelProblem(50, 768, bits), Rule::kPareto, 701 * 701);
}

// One more bit of a group always costs its parameters and gains as much, and sizes of different assignments differ:
// nothing dominates anything.
Problem NothingDominates(int groups, std::vector<int> bits, const std::vector<std::string>& kinds) {
  RandomStream stream(5, "linear");
  Problem problem;
  problem.candidate_bits = std::move(bits);
  for (int i = 0; i < groups; ++i) {
    const auto parameters = static_cast<int64_t>(1 + stream.NextBelow(uint64_t{1} << 42));
    BitAllocation::Group group{std::to_string(i), kinds[i % kinds.size()], parameters, stream.NextDouble(), {}};
    for (const int b : problem.candidate_bits) {
      group.omega.push_back(static_cast<double>(parameters) * (16 - b));
    }
    problem.groups.push_back(group);
  }
  problem.budget_bytes = 1e18;
  return problem;
}

// C(G+4, 4) for five candidates.
TEST(AllocateTest, MonotoneEnumeratesAsManyAssignmentsAsTheSpecificationCounts) {
  const std::vector<int> bits = {6, 7, 8, 9, 10};
  EXPECT_EQ(Allocate(NothingDominates(24, bits, {"attn"}), Rule::kMonotone)->front.size(), 20475U);
  EXPECT_EQ(Allocate(NothingDominates(48, bits, {"attn"}), Rule::kMonotone)->front.size(), 270725U);
  EXPECT_EQ(Allocate(NothingDominates(8, bits, {"attn", "mlp"}), Rule::kMonotonePerKind)->front.size(), 70U * 70);
  EXPECT_EQ(Allocate(NothingDominates(5, bits, {"attn"}), Rule::kPareto)->front.size(), 3125U);
}

TEST(AllocateTest, ProblemsBeyondTheBoundsAreUnsupported) {
  const std::vector<int> bits = {6, 7, 8, 9, 10};
  const Result<BitAllocation> pareto = Allocate(NothingDominates(24, bits, {"attn"}), Rule::kPareto);
  ASSERT_FALSE(pareto.ok());
  EXPECT_EQ(pareto.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(pareto.error().message,
            "the exact Pareto front of 24 groups and 5 candidate bits needs more than 8000000 partial assignments; "
            "offer fewer candidate bits or use a monotone rule");
  // 20,475 squared.
  const Result<BitAllocation> kinds = Allocate(NothingDominates(48, bits, {"attn", "mlp"}), Rule::kMonotonePerKind);
  ASSERT_FALSE(kinds.ok());
  EXPECT_EQ(kinds.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(kinds.error().message, HasSubstr("would enumerate 419225625 assignments"));
  const Result<BitAllocation> front = Allocate(NothingDominates(150, bits, {"attn"}), Rule::kMonotone);
  ASSERT_FALSE(front.ok());
  EXPECT_EQ(front.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(front.error().message, HasSubstr("more than 666666 points of 150 groups"));
}

TEST(AllocateTest, MalformedProblemsAreRefusedByName) {
  struct Case {
    std::function<void(Problem&)> damage;
    const char* where;
    const char* text;
  };
  const double nan = std::nan("");
  const Case cases[] = {
      {[](Problem& p) { p.candidate_bits.clear(); }, "", "the candidate bits are {}"},
      {[](Problem& p) {
         p.candidate_bits = {4, 4, 6};
       },
       "", "the candidate bits are {4, 4, 6}; write distinct widths"},
      {[](Problem& p) {
         p.candidate_bits = {6, 5, 4};
       },
       "", "in ascending order"},
      {[](Problem& p) {
         p.candidate_bits = {1, 5, 6};
       },
       "", "in 2..16"},
      {[](Problem& p) {
         p.candidate_bits = {4, 5, 17};
       },
       "", "in 2..16"},
      {[](Problem& p) { p.target_bits = 17; }, "", "target_bits is 17"},
      {[](Problem& p) { p.groups.clear(); }, "", "no groups"},
      {[](Problem& p) { p.groups[1].parameters = 0; }, "b", "has 0 parameters"},
      {[](Problem& p) { p.groups[1].parameters = -5; }, "b", "has -5 parameters"},
      {[](Problem& p) { p.groups[1].parameters = INT64_MAX; }, "b", "exceed 2^49"},
      {[](Problem& p) { p.groups[1].omega.pop_back(); }, "b", "has 2 sensitivities for 3 candidate bits"},
      {[&](Problem& p) { p.groups[1].omega[2] = nan; }, "b", "a sensitivity is nan"},
      {[](Problem& p) { p.groups[1].omega[0] = INFINITY; }, "b", "a sensitivity is inf"},
      {[](Problem& p) { p.groups[1].omega[0] = -1; }, "b", "a sensitivity is -1"},
      {[](Problem& p) { p.groups[0].omega[0] = p.groups[1].omega[0] = 1e308; }, "b", "add up to infinity"},
      {[&](Problem& p) { p.groups[0].nuclear_norm = nan; }, "a", "the nuclear norm is nan"},
      {[](Problem& p) { p.groups[0].nuclear_norm = -1; }, "a", "the nuclear norm is -1"},
      {[&](Problem& p) { p.other_bytes = nan; }, "", "other_bytes is nan"},
      {[](Problem& p) { p.other_bytes = -1; }, "", "other_bytes is -1"},
      {[&](Problem& p) { p.budget_bytes = nan; }, "", "budget_bytes is nan"},
      {[](Problem& p) { p.budget_bytes = INFINITY; }, "", "budget_bytes is inf"},
  };
  for (const Case& c : cases) {
    Problem problem;
    problem.candidate_bits = {4, 5, 6};
    problem.groups = {{"a", "attn", 8, 1, {4, 2, 1}}, {"b", "mlp", 3, 1, {4, 2, 1}}};
    problem.budget_bytes = 100;
    ASSERT_TRUE(Allocate(problem, Rule::kPareto).ok());
    c.damage(problem);
    for (const Rule rule : kRules) {
      const Result<BitAllocation> found = Allocate(problem, rule);
      ASSERT_FALSE(found.ok()) << c.text;
      EXPECT_EQ(found.error().code, ErrorCode::kInvalidArgument) << c.text;
      EXPECT_EQ(found.error().where, c.where);
      EXPECT_THAT(found.error().message, HasSubstr(c.text));
    }
  }
}

}  // namespace
}  // namespace ptq::allocate
