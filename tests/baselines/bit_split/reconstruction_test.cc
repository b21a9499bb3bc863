#include "baselines/bit_split/reconstruction.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "baselines/bit_split/direct_form.h"
#include "core/base/random.h"

namespace ptq::bit_split {
namespace {

// An op with random weights on correlated inputs, in samples and as Gram matrices.
struct Problem {
  int64_t outputs, inner, samples;
  std::vector<float> weight, x, y;  // (O, K), (P, K), (O, P)
  std::vector<double> xx, yx;

  Problem(int64_t outputs, int64_t inner, int64_t samples, uint64_t seed)
      : outputs(outputs), inner(inner), samples(samples), weight(outputs * inner), x(samples * inner) {
    RandomStream stream(seed, "reconstruction_test");
    for (float& w : weight) {
      w = static_cast<float>(stream.NextNormal());
    }
    for (int64_t s = 0; s < samples; ++s) {
      const double common = stream.NextNormal();
      for (int64_t n = 0; n < inner; ++n) {
        x[s * inner + n] = static_cast<float>(common + stream.NextNormal());
      }
    }
    // Targets from somewhat other inputs, as behind a quantized prefix.
    for (int64_t o = 0; o < outputs; ++o) {
      for (int64_t s = 0; s < samples; ++s) {
        double sum = 0.1 * stream.NextNormal();
        for (int64_t n = 0; n < inner; ++n) {
          sum += static_cast<double>(weight[o * inner + n]) * x[s * inner + n];
        }
        y.push_back(static_cast<float>(sum));
      }
    }
    Sum();
  }

  void Sum() {
    xx.assign(inner * inner, 0.0);
    yx.assign(outputs * inner, 0.0);
    for (int64_t s = 0; s < samples; ++s) {
      for (int64_t n = 0; n < inner; ++n) {
        const double value = x[s * inner + n];
        for (int64_t m = 0; m < inner; ++m) {
          xx[n * inner + m] += value * x[s * inner + m];
        }
        for (int64_t o = 0; o < outputs; ++o) {
          yx[o * inner + n] += value * y[o * samples + s];
        }
      }
    }
  }

  OutputGram gram() const { return {outputs, inner, xx.data(), yx.data()}; }
  std::vector<SplitRow> Start(int bits) const {
    std::vector<SplitRow> rows;
    for (int64_t o = 0; o < outputs; ++o) {
      rows.push_back(QuantizeRow(weight.data() + o * inner, inner, bits));
    }
    return rows;
  }
  double Error(int64_t o, const SplitRow& row) const {
    return DirectError(x.data(), y.data() + o * samples, samples, row);
  }
  double Energy(int64_t o) const {
    double energy = 0;
    for (int64_t s = 0; s < samples; ++s) {
      energy += static_cast<double>(y[o * samples + s]) * y[o * samples + s];
    }
    return energy;
  }
};

void ExpectEqual(const SplitRow& a, const SplitRow& b) {
  EXPECT_EQ(a.scale, b.scale);
  EXPECT_EQ(a.digits, b.digits);
}

TEST(ReconstructionTest, TheGramFormIsTheDirectForm) {
  for (const int bits : {3, 4, 6, 8}) {
    for (const int epochs : {1, 2, 7}) {
      const Problem problem(5, 9, 40, 10 * bits + epochs);
      std::vector<SplitRow> rows = problem.Start(bits);
      std::vector<SplitRow> direct = rows;
      ASSERT_TRUE(Reconstruct(problem.gram(), {epochs, 1, nullptr}, rows).ok());
      for (int64_t o = 0; o < problem.outputs; ++o) {
        ReconstructDirectly(problem.x.data(), problem.y.data() + o * problem.samples, problem.samples, epochs,
                            direct[o]);
        EXPECT_EQ(rows[o].digits, direct[o].digits) << bits << " bits, " << epochs << " epochs, row " << o;
        EXPECT_NEAR(rows[o].scale, direct[o].scale, 1e-9 * direct[o].scale);
        const double error = problem.Error(o, rows[o]);
        EXPECT_NEAR(problem.Energy(o) + ErrorLessEnergy(problem.gram(), o, rows[o].scale, Stitch(rows[o].digits, bits)),
                    error, 1e-9 * problem.Energy(o));
      }
    }
  }
}

TEST(ReconstructionTest, TheErrorFallsWithEveryEpoch) {
  for (const int bits : {3, 5, 8}) {
    const Problem problem(20, 24, 100, bits);
    const std::vector<SplitRow> start = problem.Start(bits);
    std::vector<double> last;
    for (int64_t o = 0; o < problem.outputs; ++o) {
      last.push_back(problem.Error(o, start[o]));
    }
    const std::vector<double> first = last;
    for (int epochs = 1; epochs <= 12; ++epochs) {
      std::vector<SplitRow> rows = start;
      ASSERT_TRUE(Reconstruct(problem.gram(), {epochs, 2, nullptr}, rows).ok());
      for (int64_t o = 0; o < problem.outputs; ++o) {
        const double error = problem.Error(o, rows[o]);
        EXPECT_LE(error, last[o] * (1 + 1e-9)) << bits << " bits, epoch " << epochs << ", row " << o;
        EXPECT_GT(rows[o].scale, 0);
        last[o] = error;
      }
    }
    for (int64_t o = 0; o < problem.outputs; ++o) {
      EXPECT_LT(last[o], first[o]) << "correlated inputs leave something to gain";
    }
  }
}

// Once a row has settled no single digit can be changed to advantage, and the scale is the best of its codes.
TEST(ReconstructionTest, ASettledRowIsACoordinateWiseMinimum) {
  for (int64_t inner = 1; inner <= 4; ++inner) {
    for (const int bits : {3, 4}) {
      const Problem problem(16, inner, 12, 100 * inner + bits);
      std::vector<SplitRow> rows = problem.Start(bits);
      const auto counts = Reconstruct(problem.gram(), {1000, 1, nullptr}, rows);
      ASSERT_TRUE(counts.ok());
      EXPECT_EQ(counts->settled, problem.outputs);
      for (int64_t o = 0; o < problem.outputs; ++o) {
        const double error = problem.Error(o, rows[o]);
        for (size_t d = 0; d < rows[o].digits.size(); ++d) {
          for (const int value : {-1, 0, 1}) {
            SplitRow other = rows[o];
            other.digits[d] = static_cast<int8_t>(value);
            EXPECT_GE(problem.Error(o, other), error * (1 - 1e-9)) << "digit " << d << " of row " << o;
          }
        }
        for (const double factor : {0.99, 1.01}) {
          SplitRow other = rows[o];
          other.scale *= factor;
          EXPECT_GE(problem.Error(o, other), error * (1 - 1e-9));
        }
      }
    }
  }
}

// With X = I the output is the weight, and reconstruction is ofwa.
TEST(ReconstructionTest, OnTheIdentityItRefinesTheWeight) {
  for (const int bits : {3, 4, 8}) {
    Problem problem(6, 10, 10, bits);
    std::fill(problem.x.begin(), problem.x.end(), 0.0F);
    for (int64_t n = 0; n < 10; ++n) {
      problem.x[n * 10 + n] = 1;
    }
    problem.y = problem.weight;
    problem.Sum();
    std::vector<SplitRow> rows;
    std::vector<SplitRow> refined;
    for (int64_t o = 0; o < problem.outputs; ++o) {
      const float* row = problem.weight.data() + o * 10;
      // A poor start, so that both have work to do: every other digit is lost.
      SplitRow start = QuantizeRow(row, 10, bits);
      for (size_t d = 0; d < start.digits.size(); d += 2) {
        start.digits[d] = 0;
      }
      rows.push_back(start);
      RefineOnWeights(row, start);
      refined.push_back(start);
    }
    ASSERT_TRUE(Reconstruct(problem.gram(), {kRefineRounds, 1, nullptr}, rows).ok());
    for (int64_t o = 0; o < problem.outputs; ++o) {
      EXPECT_EQ(rows[o].digits, refined[o].digits) << bits << " bits, row " << o;
      EXPECT_NEAR(rows[o].scale, refined[o].scale, 1e-12);
    }
  }
}

// More epochs than a settled row needed are no work and change nothing, not even the scale.
TEST(ReconstructionTest, ASettledRowStaysAsItIs) {
  const Problem problem(33, 12, 60, 3);
  std::vector<SplitRow> rows = problem.Start(5);
  const auto counts = Reconstruct(problem.gram(), {1000, 1, nullptr}, rows);
  ASSERT_TRUE(counts.ok());
  ASSERT_EQ(counts->settled, 33);
  EXPECT_LT(counts->longest, 1000);
  std::vector<SplitRow> again = rows;
  const auto repeated = Reconstruct(problem.gram(), {1000, 1, nullptr}, again);
  ASSERT_TRUE(repeated.ok());
  EXPECT_EQ(repeated->digits_changed, 0);
  EXPECT_EQ(repeated->longest, 1);
  for (size_t o = 0; o < rows.size(); ++o) {
    EXPECT_EQ(again[o].digits, rows[o].digits);
    EXPECT_NEAR(again[o].scale, rows[o].scale, 1e-12 * rows[o].scale);
  }
}

TEST(ReconstructionTest, ThreadsAndNeighboursDoNotChangeARow) {
  const Problem problem(50, 17, 80, 4);
  const std::vector<SplitRow> start = problem.Start(6);
  std::vector<SplitRow> one = start;
  std::vector<SplitRow> two = start;
  ASSERT_TRUE(Reconstruct(problem.gram(), {5, 1, nullptr}, one).ok());
  ASSERT_TRUE(Reconstruct(problem.gram(), {5, 2, nullptr}, two).ok());
  for (int64_t o = 0; o < problem.outputs; ++o) {
    ExpectEqual(one[o], two[o]);
    std::vector<SplitRow> alone = {start[o]};
    const OutputGram gram{1, problem.inner, problem.xx.data(), problem.yx.data() + o * problem.inner};
    ASSERT_TRUE(Reconstruct(gram, {5, 1, nullptr}, alone).ok());
    ExpectEqual(one[o], alone[0]);
  }
}

// Targets of the other sign: the scale stays positive, the codes turn.
TEST(ReconstructionTest, ANegativeScaleTurnsTheCodes) {
  Problem problem(4, 6, 30, 5);
  std::vector<SplitRow> rows = problem.Start(4);
  for (float& y : problem.y) {
    y = -y;
  }
  problem.Sum();
  ASSERT_TRUE(Reconstruct(problem.gram(), {20, 1, nullptr}, rows).ok());
  for (int64_t o = 0; o < problem.outputs; ++o) {
    EXPECT_GT(rows[o].scale, 0);
    EXPECT_LT(problem.Error(o, rows[o]), 0.1 * problem.Energy(o));
  }
}

TEST(ReconstructionTest, AnInputThatIsAlwaysZeroKeepsItsCodes) {
  Problem problem(4, 6, 30, 6);
  for (int64_t s = 0; s < problem.samples; ++s) {
    problem.x[s * 6 + 2] = 0;
  }
  problem.Sum();
  const std::vector<SplitRow> start = problem.Start(4);
  std::vector<SplitRow> rows = start;
  ASSERT_TRUE(Reconstruct(problem.gram(), {20, 1, nullptr}, rows).ok());
  for (int64_t o = 0; o < problem.outputs; ++o) {
    EXPECT_EQ(Stitch(rows[o].digits, 4)[2], Stitch(start[o].digits, 4)[2]);
  }
}

TEST(ReconstructionTest, NoInputAtAllLeavesEverything) {
  Problem problem(3, 4, 8, 7);
  std::fill(problem.x.begin(), problem.x.end(), 0.0F);
  problem.Sum();
  const std::vector<SplitRow> start = problem.Start(4);
  std::vector<SplitRow> rows = start;
  ASSERT_TRUE(Reconstruct(problem.gram(), {20, 1, nullptr}, rows).ok());
  for (int64_t o = 0; o < problem.outputs; ++o) {
    ExpectEqual(rows[o], start[o]);
  }
}

TEST(ReconstructionTest, StopsWhenAsked) {
  const Problem problem(40, 12, 60, 8);
  std::vector<SplitRow> rows = problem.Start(8);
  const auto counts = Reconstruct(problem.gram(), {1000, 2, [] { return true; }}, rows);
  ASSERT_FALSE(counts.ok());
  EXPECT_EQ(counts.error().code, ErrorCode::kInterrupted);
}

}  // namespace
}  // namespace ptq::bit_split
