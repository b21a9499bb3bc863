// The ranking loss over the attention scores of one image of DeiT-Tiny, 3 heads x 197 rows of 197 columns: the fast
// version against the plain double loop.  Argument: bits of the quantized scores.  Items are rows.
//   bazel run //tests/bench:ranking_bench
#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "core/base/random.h"
#include "core/search/ranking_loss.h"

namespace ptq::search {
namespace {

constexpr int64_t kRows = int64_t{3} * 197;
constexpr int64_t kColumns = 197;
constexpr float kTheta = 0.2F;

// Normal with deviation 3.
std::vector<float> Scores() {
  RandomStream stream(1, "scores");
  std::vector<float> scores(kRows * kColumns);
  for (float& score : scores) {
    score = static_cast<float>(3 * stream.NextNormal());
  }
  return scores;
}

// Rounded to a grid over -12..12, plus noise of a third of a step as the operands' errors bring.
std::vector<float> Quantized(const std::vector<float>& scores, int64_t bits) {
  RandomStream stream(2, "noise");
  const auto step = static_cast<float>(24 / std::pow(2.0, static_cast<double>(bits)));
  std::vector<float> a_hat;
  for (const float score : scores) {
    a_hat.push_back(std::round(score / step) * step + step / 3 * static_cast<float>(stream.NextNormal()));
  }
  return a_hat;
}

void BM_RankingLoss(benchmark::State& state) {
  const std::vector<float> scores = Scores();
  const std::vector<float> a_hat = Quantized(scores, state.range(0));
  const RankingTarget target(scores.data(), kRows, kColumns);
  for (auto _ : state) {
    benchmark::DoNotOptimize(target.Loss(a_hat.data(), kTheta));
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}
BENCHMARK(BM_RankingLoss)->Arg(4)->Arg(6)->Arg(8);

// a_hat constant: no pair can be skipped.
void BM_RankingLossOfConstant(benchmark::State& state) {
  const std::vector<float> a_hat(kRows * kColumns, 1.0F);
  const RankingTarget target(Scores().data(), kRows, kColumns);
  for (auto _ : state) {
    benchmark::DoNotOptimize(target.Loss(a_hat.data(), kTheta));
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}
BENCHMARK(BM_RankingLossOfConstant);

void BM_RankingLossPlain(benchmark::State& state) {
  const std::vector<float> scores = Scores();
  const std::vector<float> a_hat = Quantized(scores, state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(RankingLossPlain(scores.data(), a_hat.data(), kRows, kColumns, kTheta));
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}
BENCHMARK(BM_RankingLossPlain)->Arg(4)->Arg(6)->Arg(8);

void BM_RankingTarget(benchmark::State& state) {
  const std::vector<float> scores = Scores();
  for (auto _ : state) {
    benchmark::DoNotOptimize(RankingTarget(scores.data(), kRows, kColumns));
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}
BENCHMARK(BM_RankingTarget);

}  // namespace
}  // namespace ptq::search

BENCHMARK_MAIN();
