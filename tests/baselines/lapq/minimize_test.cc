#include "baselines/lapq/minimize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <thread>

namespace ptq::baselines::lapq {
namespace {

using ::testing::HasSubstr;
using Point = std::vector<double>;

constexpr Optimizer kAll[] = {Optimizer::kPraxis, Optimizer::kSbplx, Optimizer::kBobyqa, Optimizer::kCobyla};

MinimizeOptions Options(int64_t evaluations, Optimizer optimizer = Optimizer::kPraxis) {
  MinimizeOptions options;
  options.optimizer = optimizer;
  options.evaluations = evaluations;
  options.step = optimizer == Optimizer::kPraxis ? 1 : 0.2;
  options.x_tolerance = 1e-9;
  options.seed = 7;
  return options;
}

double Rosenbrock(const Point& x) { return 100 * std::pow(x[1] - x[0] * x[0], 2) + std::pow(1 - x[0], 2); }

// sum of (i + 1) (x_i - 0.1 i)^2
double Separable(const Point& x) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    sum += static_cast<double>(i + 1) * std::pow(x[i] - 0.1 * static_cast<double>(i), 2);
  }
  return sum;
}

// Steps of rounding over a bowl: what a loss over quantization scales looks like.
double Jagged(const Point& x) {
  double sum = 0;
  for (const double each : x) {
    sum += std::pow(std::nearbyint(40 * (each - 0.3)) / 40, 2) + 1e-3 * std::sin(900 * each);
  }
  return sum;
}

TEST(MinimizeTest, PraxisFindsTheMinimumOfASeparableQuadraticInOnePass) {
  const Result<Minimum> found = Minimize([](const Point& x) { return Separable(x); }, Point(5, 0.0), Options(200));
  ASSERT_TRUE(found.ok());
  EXPECT_LT(found->value, 1e-10);
  // Five line searches of at most five evaluations each reach it.
  const Result<Minimum> pass = Minimize([](const Point& x) { return Separable(x); }, Point(5, 0.0), Options(26));
  EXPECT_LT(pass->value, 1e-6) << "from 1.3 at first";
}

// x'Ax, condition number 100, n = 5, axes turned so that no coordinate is one of them.
TEST(MinimizeTest, PraxisFindsTheMinimumOfATurnedQuadratic) {
  const auto turned = [](const Point& x) -> Result<double> {
    double mean = 0;
    for (const double each : x) {
      mean += each / 5;
    }
    double sum = 0;
    for (size_t i = 0; i < 5; ++i) {
      // The reflection I - 2/5 of the all-ones direction.
      sum += std::pow(10.0, static_cast<double>(i) / 2) * std::pow(x[i] - 2 * mean, 2);
    }
    return sum;
  };
  const Result<Minimum> found = Minimize(turned, {1, -1, 2, 0.5, 1}, Options(700));
  ASSERT_TRUE(found.ok());
  EXPECT_LT(found->value, 1e-9);
}

TEST(MinimizeTest, PraxisFollowsRosenbrocksValley) {
  const Result<Minimum> found = Minimize([](const Point& x) { return Rosenbrock(x); }, {-1.2, 1}, Options(1000));
  ASSERT_TRUE(found.ok());
  EXPECT_LT(found->value, 1e-6);
  EXPECT_NEAR(found->x[0], 1, 1e-3);
}

TEST(MinimizeTest, ReturnsTheBestPointItAskedFor) {
  for (const Optimizer optimizer : kAll) {
    std::vector<std::pair<double, Point>> asked;
    const auto objective = [&](const Point& x) -> Result<double> {
      asked.emplace_back(Jagged(x), x);
      return asked.back().first;
    };
    const Result<Minimum> found = Minimize(objective, Point(4, 0.0), Options(60, optimizer));
    ASSERT_TRUE(found.ok());
    const auto least =
        std::min_element(asked.begin(), asked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    EXPECT_EQ(found->value, least->first);
    EXPECT_EQ(found->x, least->second);
    EXPECT_LE(found->value, Jagged(Point(4, 0.0)));
    EXPECT_EQ(found->evaluations, static_cast<int64_t>(asked.size()));
  }
}

TEST(MinimizeTest, KeepsTheBudgetExactly) {
  for (const Optimizer optimizer : kAll) {
    for (const int64_t budget : {1, 2, 7, 31}) {
      int64_t calls = 0;
      const auto objective = [&](const Point& x) -> Result<double> {
        ++calls;
        return Rosenbrock(x);
      };
      const Result<Minimum> found = Minimize(objective, {-1.2, 1}, Options(budget, optimizer));
      ASSERT_TRUE(found.ok()) << found.error().message;
      EXPECT_EQ(calls, budget);
      EXPECT_EQ(found->evaluations, budget);
      EXPECT_EQ(found->stop, "budget");
    }
  }
}

TEST(MinimizeTest, StopsByItselfWhereNothingImproves) {
  for (const Optimizer optimizer : kAll) {
    MinimizeOptions options = Options(100000, optimizer);
    options.x_tolerance = 0.01;
    options.f_tolerance = 1e-4;
    const Result<Minimum> flat = Minimize([](const Point&) { return 1.0; }, Point(3, 0.0), options);
    ASSERT_TRUE(flat.ok()) << flat.error().message;
    EXPECT_LT(flat->evaluations, 1000);
    EXPECT_NE(flat->stop, "budget");
    EXPECT_EQ(flat->x, Point(3, 0.0)) << "the first of equals";
  }
}

TEST(MinimizeTest, AsksInsideTheBoundOnly) {
  for (const Optimizer optimizer : kAll) {
    double widest = 0;
    const auto objective = [&](const Point& x) -> Result<double> {
      for (const double each : x) {
        widest = std::max(widest, std::abs(each));
      }
      return -x[0] - x[1];
    };
    MinimizeOptions options = Options(200, optimizer);
    options.bound = 0.75;
    const Result<Minimum> found = Minimize(objective, {0, 0}, options);
    ASSERT_TRUE(found.ok()) << found.error().message;
    EXPECT_LE(widest, 0.75);
    EXPECT_NEAR(found->value, -1.5, 1e-3);
  }
}

// The random steps of PRAXIS come from the seed alone, not from what ran before or runs beside it.
TEST(MinimizeTest, PraxisRepeatsItselfWhateverRunsBesideIt) {
  const auto trace = [](uint64_t seed) {
    std::vector<Point> points;
    const auto objective = [&](const Point& x) -> Result<double> {
      points.push_back(x);
      return Jagged(x);
    };
    MinimizeOptions options = Options(300);
    options.seed = seed;
    PTQ_CHECK(Minimize(objective, Point(4, 0.0), options).ok());
    return points;
  };
  const std::vector<Point> alone = trace(1);
  EXPECT_EQ(trace(1), alone);
  EXPECT_NE(trace(2), alone) << "random steps were taken";
  std::vector<Point> other, beside;
  std::thread thread([&] {
    for (int i = 0; i < 50; ++i) {
      other = trace(2);
    }
  });
  for (int i = 0; i < 50; ++i) {
    beside = trace(1);
    EXPECT_EQ(beside, alone);
  }
  thread.join();
  EXPECT_EQ(other, trace(2));
}

TEST(MinimizeTest, AnErrorEndsIt) {
  int64_t calls = 0;
  const auto failing = [&](const Point& x) -> Result<double> {
    if (++calls == 5) {
      return Interrupted("stopped");
    }
    return Rosenbrock(x);
  };
  const Result<Minimum> found = Minimize(failing, {-1.2, 1}, Options(100));
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(calls, 5);
}

TEST(MinimizeTest, AnExceptionBecomesAnError) {
  const auto throwing = [](const Point&) -> Result<double> { throw std::runtime_error("no memory"); };
  const Result<Minimum> found = Minimize(throwing, {0, 0}, Options(10));
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::kInternal);
  EXPECT_THAT(found.error().message, HasSubstr("no memory"));
}

TEST(MinimizeTest, NaNIsNeverTheBest) {
  for (const Optimizer optimizer : kAll) {
    const auto objective = [](const Point& x) -> Result<double> { return x[0] < 0 ? std::nan("") : 1 + x[0] * x[0]; };
    const Result<Minimum> found = Minimize(objective, {0.5, 0}, Options(50, optimizer));
    ASSERT_TRUE(found.ok()) << found.error().message;
    EXPECT_LE(found->value, 1.25);
    EXPECT_GE(found->x[0], 0);
  }
}

TEST(MinimizeTest, AnUnknownNameIsAnErrorWithTheList) {
  EXPECT_TRUE(ParseOptimizer("sbplx").ok());
  const auto unknown = ParseOptimizer("powell");
  ASSERT_FALSE(unknown.ok());
  EXPECT_THAT(unknown.error().message, HasSubstr("praxis, sbplx, bobyqa, cobyla"));
}

}  // namespace
}  // namespace ptq::baselines::lapq
