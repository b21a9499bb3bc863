// Whole models of random weights: the integer executor beside LibTorch's float32, with the seconds of each class of
// work as counters ("ms.softmax").  Run pairs interleaved:
//   integer_model_bench --benchmark_enable_random_interleaving=true --benchmark_repetitions=5
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <map>
#include <memory>

#include "core/base/fast_start.h"
#include "core/exec/integer/integer_executor.h"
#include "tests/testing/range_plan.h"
#include "tests/testing/tiny_model.h"

namespace ptq::exec {
namespace {

// Widths of DeiT-T, DeiT-S and DeiT-B.
struct Case {
  vit::VitModel model;
  at::Tensor images;
  method::Plan plan;
};

Case& CaseOf(int64_t width) {
  static std::map<int64_t, std::unique_ptr<Case>> cases;
  std::unique_ptr<Case>& found = cases[width];
  if (!found) {
    vit::VitConfig config;
    config.width = width;
    config.heads = width / 64;
    config.mlp_hidden = 4 * width;
    vit::VitModel model = testing::RandomModel(config);
    at::Tensor images = testing::RandomImages(config, 8);
    method::Plan plan = testing::RangePlan(model, images.narrow(0, 0, 2),
                                           {quant::Grid::kAffine, quant::Grid::kSymmetricFull, 8, 8, true});
    found = std::make_unique<Case>(Case{std::move(model), std::move(images), std::move(plan)});
  }
  return *found;
}

void Integer(benchmark::State& state, InstructionSet set) {
  const Case& c = CaseOf(state.range(0));
  const auto executor = MakeIntegerExecutor(c.model, c.plan, {set, static_cast<int>(state.range(2))}).value();
  const at::Tensor images = c.images.narrow(0, 0, state.range(1));
  executor->Run(images);
  for (auto _ : state) {
    executor->Run(images);
  }
  executor->SetProfiling(true);
  for (int i = 0; i < 5; ++i) {
    executor->Run(images);
  }
  for (const auto& [work, seconds] : executor->TakeProfile()) {
    state.counters["ms." + work] = seconds / 5 * 1e3;
  }
}

void Float(benchmark::State& state) {
  Case& c = CaseOf(state.range(0));
  const at::NoGradGuard no_grad;
  at::set_num_threads(static_cast<int>(state.range(2)));
  const auto executor = MakeSimulatedExecutor(c.model, {}).value();
  const at::Tensor images = c.images.narrow(0, 0, state.range(1));
  executor->Run(images);
  for (auto _ : state) {
    executor->Run(images);
  }
}

void Register() {
  for (const int64_t width : {192, 384, 768}) {
    for (const auto& [batch, threads] : {std::pair<int64_t, int64_t>{1, 1}, {1, 2}, {8, 1}, {8, 2}}) {
      const auto name = [width = width, batch = batch, threads = threads](const std::string& what) {
        return "width" + std::to_string(width) + "/batch" + std::to_string(batch) + "/threads" +
               std::to_string(threads) + "/" + what;
      };
      benchmark::RegisterBenchmark(name("float32").c_str(), Float)
          ->Args({width, batch, threads})
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
      for (const InstructionSet set : {InstructionSet::kAvx2, InstructionSet::kAvx512Vnni}) {
        if (CheckAvailable(set).ok()) {
          benchmark::RegisterBenchmark(name(exec::Name(set)).c_str(), [set](benchmark::State& s) { Integer(s, set); })
              ->Args({width, batch, threads})
              ->UseRealTime()
              ->Unit(benchmark::kMillisecond);
        }
      }
    }
  }
}

}  // namespace
}  // namespace ptq::exec

int main(int argc, char** argv) {
  ptq::RestartWithFastSettings(argv);
  ptq::exec::Register();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
