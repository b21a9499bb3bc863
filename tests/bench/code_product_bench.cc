// The fused product of codes against a float target, beside oneDNN's products without any comparison; one thread.
//   OMP_NUM_THREADS=1 bazel run -c opt //tests/bench:code_product_bench
// Arguments: rows, inner, columns.  `cold` runs over targets that no cache near the core holds.
#include <benchmark/benchmark.h>
#include <dnnl.h>

#include <vector>

#include "core/base/random.h"
#include "core/search/code_product.h"
#include "core/search/code_product_kernels.h"

namespace ptq::search {
namespace {

struct Operands {
  Operands(const benchmark::State& state, CodeBounds left, CodeBounds right)
      : rows(state.range(0)), inner(state.range(1)), columns(state.range(2)) {
    RandomStream stream(1, "code_product_bench");
    for (auto* codes : {&left_codes, &right_codes}) {
      const CodeBounds bounds = codes == &left_codes ? left : right;
      codes->resize((codes == &left_codes ? rows : columns) * inner);
      for (int32_t& code : *codes) {
        code = bounds.min + static_cast<int32_t>(stream.NextBelow(bounds.max - bounds.min + 1));
      }
    }
    target.assign(rows * columns, 0.5F);
    scale.assign(columns, 1e-3F);
    offset.assign(columns, 1e-2F);
    sums.resize(rows);
  }
  int64_t rows, inner, columns;
  std::vector<int32_t> left_codes, right_codes;
  std::vector<float> target, scale, offset;
  std::vector<ErrorSums> sums;
};

void Count(benchmark::State& state) {
  const double macs = static_cast<double>(state.range(0) * state.range(1) * state.range(2));
  state.counters["MAC/s"] =
      benchmark::Counter(macs * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void Shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"rows", "inner", "columns"});
  benchmark->Args({197, 192, 576})->Args({197, 192, 192})->Args({197, 192, 768})->Args({197, 768, 192});
  benchmark->Args({197, 64, 197})
      ->Args({197, 197, 64})
      ->Args({197, 768, 3072})
      ->Args({197, 3072, 768})
      ->Args({1, 192, 1000});
}

constexpr CodeBounds kInt8Left{-93, 162}, kInt8Right{-127, 127}, kInt16Left{-1000, 1000}, kInt16Right{-1000, 1000};

void BM_CompareProduct(benchmark::State& state, CodeContainer container, internal::InstructionSet set, bool cold) {
  if (!internal::CpuHas(set)) {
    state.SkipWithError("this CPU has not the instructions");
    return;
  }
  internal::UseInstructionSet(set);
  const bool is_int8 = container == CodeContainer::kInt8;
  const CodeBounds left_bounds = is_int8 ? kInt8Left : kInt16Left, right_bounds = is_int8 ? kInt8Right : kInt16Right;
  Operands p(state, left_bounds, right_bounds);
  const int64_t size = p.rows * p.columns, targets = cold ? (int64_t{1} << 25) / size : 1;
  p.target.assign(size * targets, 0.5F);
  LeftCodes left;
  RightCodes right;
  left.Assign(container, left_bounds, p.left_codes.data(), p.rows, p.inner);
  right.Assign(container, right_bounds, p.right_codes.data(), p.columns, p.inner);
  int64_t turn = 0;
  for (auto _ : state) {
    CompareProduct(left, right, {p.target.data() + turn * size, p.columns}, p.scale.data(), p.offset.data(),
                   p.sums.data(), nullptr);
    turn = (turn + 1) % targets;
    benchmark::DoNotOptimize(p.sums.data());
    benchmark::ClobberMemory();
  }
  Count(state);
}

using internal::InstructionSet;
constexpr InstructionSet kVnni = InstructionSet::kAvx512Vnni, kAvx2 = InstructionSet::kAvx2;
BENCHMARK_CAPTURE(BM_CompareProduct, int8_vnni, CodeContainer::kInt8, kVnni, false)->Apply(Shapes);
BENCHMARK_CAPTURE(BM_CompareProduct, int8_vnni_cold, CodeContainer::kInt8, kVnni, true)->Apply(Shapes);
BENCHMARK_CAPTURE(BM_CompareProduct, int16_vnni, CodeContainer::kInt16, kVnni, false)->Apply(Shapes);
BENCHMARK_CAPTURE(BM_CompareProduct, int8_avx2, CodeContainer::kInt8, kAvx2, false)->Apply(Shapes);
BENCHMARK_CAPTURE(BM_CompareProduct, wide, CodeContainer::kWide, InstructionSet::kScalar, false)->Apply(Shapes);

void BM_Assign(benchmark::State& state, CodeContainer container) {
  internal::UseInstructionSet(internal::CpuHas(InstructionSet::kAvx512Vnni) ? InstructionSet::kAvx512Vnni
                                                                            : InstructionSet::kAvx2);
  const bool is_int8 = container == CodeContainer::kInt8, is_left = state.range(3) == 0;
  const CodeBounds left_bounds = is_int8 ? kInt8Left : kInt16Left, right_bounds = is_int8 ? kInt8Right : kInt16Right;
  const Operands p(state, left_bounds, right_bounds);
  LeftCodes left;
  RightCodes right;
  for (auto _ : state) {
    if (is_left) {
      left.Assign(container, left_bounds, p.left_codes.data(), p.rows, p.inner);
    } else {
      right.Assign(container, right_bounds, p.right_codes.data(), p.columns, p.inner);
    }
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * (is_left ? p.rows : p.columns) * p.inner);
}

void AssignShapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"rows", "inner", "columns", "right"});
  for (int64_t right : {0, 1}) {
    benchmark->Args({197, 192, 768, right})->Args({197, 768, 192, right});
    benchmark->Args({197, 64, 197, right})->Args({197, 197, 64, right});
  }
}
BENCHMARK_CAPTURE(BM_Assign, int8, CodeContainer::kInt8)->Apply(AssignShapes);
BENCHMARK_CAPTURE(BM_Assign, int16, CodeContainer::kInt16)->Apply(AssignShapes);

void BM_DnnlGemmU8S8(benchmark::State& state) {
  const int64_t rows = state.range(0), inner = state.range(1), columns = state.range(2);
  const std::vector<uint8_t> left(rows * inner, 3);
  const std::vector<int8_t> right(columns * inner, 5);
  std::vector<int32_t> out(rows * columns);
  const int32_t zero = 0;
  for (auto _ : state) {
    dnnl_gemm_u8s8s32('N', 'T', 'F', rows, columns, inner, 1, left.data(), inner, 0, right.data(), inner, 0, 0,
                      out.data(), columns, &zero);
    benchmark::ClobberMemory();
  }
  Count(state);
}
BENCHMARK(BM_DnnlGemmU8S8)->Apply(Shapes);

void BM_DnnlSgemm(benchmark::State& state) {
  const int64_t rows = state.range(0), inner = state.range(1), columns = state.range(2);
  const std::vector<float> left(rows * inner, 3), right(columns * inner, 5);
  std::vector<float> out(rows * columns);
  for (auto _ : state) {
    dnnl_sgemm('N', 'T', rows, columns, inner, 1, left.data(), inner, right.data(), inner, 0, out.data(), columns);
    benchmark::ClobberMemory();
  }
  Count(state);
}
BENCHMARK(BM_DnnlSgemm)->Apply(Shapes);

}  // namespace
}  // namespace ptq::search

BENCHMARK_MAIN();
