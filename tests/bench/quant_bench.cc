// Fake-quantization of one activation of DeiT-Tiny: the scalar reference against the version that executors use.
//   bazel run //tests/bench:quant_bench
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include "core/quant/fake_quant.h"
#include "core/quant/reference.h"

namespace ptq::quant {
namespace {

constexpr int64_t kTokens = 197 * 8;
constexpr int64_t kHidden = 768;

QuantParams Params() { return ParamsFromRange(Grid::kAffine, 8, {-0.17F}, {4.0F}).value(); }

void Count(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * kTokens * kHidden * 2 * static_cast<int64_t>(sizeof(float)));
}

void BM_FakeQuantizeReference(benchmark::State& state) {
  const at::Tensor x = at::randn({kTokens, kHidden});
  at::Tensor out = at::empty_like(x);
  const QuantParams params = Params();
  for (auto _ : state) {
    for (int64_t i = 0; i < x.numel(); ++i) {
      out.data_ptr<float>()[i] = FakeQuantizeScalar(x.data_ptr<float>()[i], params);
    }
    benchmark::DoNotOptimize(out.data_ptr<float>());
  }
  Count(state);
}
BENCHMARK(BM_FakeQuantizeReference);

void BM_FakeQuantize(benchmark::State& state) {
  at::set_num_threads(static_cast<int>(state.range(0)));
  const at::Tensor x = at::randn({kTokens, kHidden});
  const QuantParams params = Params();
  for (auto _ : state) {
    benchmark::DoNotOptimize(FakeQuantize(x, params).data_ptr<float>());
  }
  Count(state);
}
BENCHMARK(BM_FakeQuantize)->Arg(1)->Arg(2)->UseRealTime();

// A LayerNorm's input: neighbouring elements belong to different channels.
void BM_FakeQuantizeLastAxis(benchmark::State& state) {
  at::set_num_threads(static_cast<int>(state.range(0)));
  const at::Tensor x = at::randn({kTokens, kHidden});
  QuantParams params = Params();
  params.granularity = Granularity::kPerChannel;
  params.axis = 1;
  params.scale.assign(kHidden, params.scale[0]);
  params.zero_point.assign(kHidden, params.zero_point[0]);
  for (auto _ : state) {
    benchmark::DoNotOptimize(FakeQuantize(x, params).data_ptr<float>());
  }
  Count(state);
}
BENCHMARK(BM_FakeQuantizeLastAxis)->Arg(1)->Arg(2)->UseRealTime();

}  // namespace
}  // namespace ptq::quant

BENCHMARK_MAIN();
