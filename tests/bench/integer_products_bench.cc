// The products of the integer executor, of each instruction set, beside oneDNN's float32 twins; one thread.
//   bazel run -c opt //tests/bench:integer_products_bench -- --benchmark_filter='avx512_vnni/linear'
// Arguments: rows, inner, columns of qkv, proj, fc1, fc2 at DeiT-T, -S and -B, and of one head's qk and pv.  Counters:
// operations (two of a multiply-accumulate) and the bytes of all three matrices.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "core/exec/integer/products.h"

namespace ptq::exec {
namespace {

constexpr size_t kLine = 64;

// Memory on a cache line.
class Memory {
 public:
  explicit Memory(size_t bytes) : bytes_(bytes + 2 * kLine, 3) {}
  void* data() { return bytes_.data() + (kLine - reinterpret_cast<uintptr_t>(bytes_.data()) % kLine) % kLine; }

 private:
  std::vector<uint8_t> bytes_;
};

struct Shape {
  int64_t rows, inner, columns;
};

void Count(benchmark::State& state, const Shape& s, int64_t operand_bytes, int64_t out_bytes) {
  state.counters["OP/s"] = benchmark::Counter(2.0 * static_cast<double>(s.rows * s.inner * s.columns),
                                              benchmark::Counter::kIsIterationInvariantRate);
  state.SetBytesProcessed(state.iterations() *
                          ((s.rows + s.columns) * s.inner * operand_bytes + s.rows * s.columns * out_bytes));
}

void Run(benchmark::State& state, const BoundProduct& product) {
  for (auto _ : state) {
    product();
    benchmark::ClobberMemory();
  }
}

void IntegerLinearBench(benchmark::State& state, InstructionSet set, LinearOutput output, Shape s) {
  IntegerLinear linear;
  linear.rows = s.rows;
  linear.inner = s.inner;
  linear.columns = s.columns;
  linear.weight.assign(s.inner * s.columns, 5);
  linear.scale.assign(s.columns, 1e-4F);
  linear.bias.assign(s.columns, 2);
  linear.output = output;
  const auto product = MakeLinear(linear, set, 1);
  const int64_t out_bytes = output == LinearOutput::kSigned ? 1 : 4;
  Memory left(s.rows * s.inner), out(s.rows * s.columns * out_bytes), scratch(product->scratch_bytes());
  state.SetLabel(product->kernel());
  Run(state, product->Bind(left.data(), out.data(), scratch.data()));
  Count(state, s, 1, out_bytes);
}

void FloatLinearBench(benchmark::State& state, Shape s) {
  FloatLinear linear;
  linear.rows = s.rows;
  linear.inner = s.inner;
  linear.columns = s.columns;
  linear.weight.assign(s.inner * s.columns, 0.5F);
  linear.bias.assign(s.columns, 2);
  const auto product = MakeLinear(linear, 1);
  Memory left(s.rows * s.inner * 4), out(s.rows * s.columns * 4), scratch(product->scratch_bytes());
  state.SetLabel(product->kernel());
  Run(state, product->Bind(left.data(), out.data(), scratch.data()));
  Count(state, s, 4, 4);
}

// One head's product in the layout of the executor: rows of q, k and v lie 3 * width apart.
void AttentionBench(benchmark::State& state, InstructionSet set, HeadProduct::Types types, bool scores, int64_t width) {
  constexpr int64_t kTokens = 197, kStride = 208, kHead = 64;
  const Shape s = scores ? Shape{kTokens, kHead, kTokens} : Shape{kTokens, kTokens, kHead};
  const HeadProduct product = scores ? HeadProduct{types, s.rows, s.inner, s.columns, 3 * width, 1, 3 * width, kStride}
                                     : HeadProduct{types, s.rows, s.inner, s.columns, kStride, 3 * width, 1, kHead};
  const auto attention = MakeAttention(product, set);
  Memory left(kTokens * 3 * width * 4), right(kTokens * 3 * width * 4), out(kTokens * kStride * 4),
      scratch(attention->scratch_bytes());
  state.SetLabel(attention->kernel());
  Run(state, attention->Bind(left.data(), right.data(), out.data(), scratch.data()));
  Count(state, s, types == HeadProduct::Types::kFloat ? 4 : 1, 4);
}

std::string Text(const Shape& s) {
  return std::to_string(s.rows) + "x" + std::to_string(s.inner) + "x" + std::to_string(s.columns);
}

void Register() {
  std::vector<Shape> shapes;
  for (const int64_t width : {192, 384, 768}) {
    shapes.insert(shapes.end(),
                  {{197, width, 3 * width}, {197, width, width}, {197, width, 4 * width}, {197, 4 * width, width}});
  }
  for (const Shape& s : shapes) {
    benchmark::RegisterBenchmark(("float32/linear/" + Text(s)).c_str(), FloatLinearBench, s);
  }
  using Types = HeadProduct::Types;
  constexpr int64_t kWidth = 384;
  benchmark::RegisterBenchmark("float32/qk", AttentionBench, InstructionSet::kScalar, Types::kFloat, true, kWidth);
  benchmark::RegisterBenchmark("float32/pv", AttentionBench, InstructionSet::kScalar, Types::kFloat, false, kWidth);
  for (const InstructionSet set : {InstructionSet::kScalar, InstructionSet::kAvx2, InstructionSet::kAvx512Vnni}) {
    if (!CheckAvailable(set).ok()) {
      continue;
    }
    const std::string name = Name(set);
    for (const Shape& s : shapes) {
      const bool qkv = s.columns == 3 * s.inner;  // writes codes
      benchmark::RegisterBenchmark((name + "/linear/" + Text(s)).c_str(), IntegerLinearBench, set,
                                   qkv ? LinearOutput::kSigned : LinearOutput::kFloat, s);
    }
    benchmark::RegisterBenchmark((name + "/qk").c_str(), AttentionBench, set, Types::kSignedCodes, true, kWidth);
    benchmark::RegisterBenchmark((name + "/pv").c_str(), AttentionBench, set, Types::kUnsignedCodes, false, kWidth);
  }
}

}  // namespace
}  // namespace ptq::exec

int main(int argc, char** argv) {
  ptq::exec::Register();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 1;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
