// The kernels between the integer executor's products, of each instruction set, beside their float twins; one thread.
//   bazel run -c opt //tests/bench:integer_kernels_bench -- --benchmark_filter='avx512_vnni/Gelu'
// A kernel's float twin is its set's one of floats (LayerNormFloat, SoftmaxFloat, GeluFloat, Dequantize; Add and
// AddOuter are of floats themselves) or, where no set has one, the plain loop under float32/ that a float model has in
// its place. Arguments: the operand's rows and columns at DeiT-T, -S and -B (one head for softmax and requantize).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/exec/integer/kernels.h"

namespace ptq::exec {
namespace {

constexpr CodeMap kMap = {31.7F, 0, -93, 162, 93};
constexpr CodeMap kSignedMap = {31.7F, 0, -128, 127, 0};
constexpr float kScoreFactor = 2e-5F;

struct Operands {
  explicit Operands(const benchmark::State& state)
      : rows(state.range(0)),
        columns(state.range(1)),
        count(rows * columns),
        floats(count),
        column_floats(columns),
        ints(count),
        codes(count, 3),
        out(count),
        row_sums(rows),
        column_sums(columns) {
    RandomStream stream(1, "integer_kernels_bench");
    for (int64_t i = 0; i < count; ++i) {
      const double normal = stream.NextNormal();
      floats[i] = static_cast<float>(2 * normal);
      ints[i] = static_cast<int32_t>(100000 * normal);
    }
    for (float& value : column_floats) {
      value = static_cast<float>(stream.NextNormal());
    }
  }
  LayerNormWeights Norm() const { return {column_floats.data(), column_floats.data(), 1e-6F}; }
  int64_t rows, columns, count;
  std::vector<float> floats, column_floats;
  std::vector<int32_t> ints;
  std::vector<uint8_t> codes, out;
  std::vector<int32_t> row_sums, column_sums;
};

// One call of a kernel, and the bytes that it reads and writes for each element.
struct Call {
  const char* name;
  int64_t bytes_per_element;
  void (*run)(const Kernels& kernels, Operands& o, float* float_out);
  std::vector<std::vector<int64_t>> shapes;
};

const std::vector<std::vector<int64_t>> kWidths = {{197, 192}, {197, 384}, {197, 768}};
const std::vector<std::vector<int64_t>> kHidden = {{197, 768}, {197, 1536}, {197, 3072}};
const std::vector<std::vector<int64_t>> kScores = {{197, 197}};
const std::vector<std::vector<int64_t>> kHeads = {{197, 64}};

const Call kCalls[] = {
    {"Quantize", 5,
     [](const Kernels& k, Operands& o, float*) { k.quantize_unsigned(o.floats.data(), o.count, kMap, o.out.data()); },
     kWidths},
    {"QuantizeSigned", 5,
     [](const Kernels& k, Operands& o, float*) {
       k.quantize_signed(o.floats.data(), o.count, kSignedMap, reinterpret_cast<int8_t*>(o.out.data()));
     },
     kWidths},
    {"Patches",
     5,
     [](const Kernels& k, Operands& o, float*) { k.quantize_patches(o.floats.data(), 3, 224, 16, kMap, o.out.data()); },
     {{3 * 224, 224}}},
    {"LayerNormQuantize", 5,
     [](const Kernels& k, Operands& o, float*) {
       k.layer_norm_quantize(o.floats.data(), o.rows, o.columns, o.Norm(), kMap, o.out.data());
     },
     kWidths},
    {"LayerNormFloat", 8,
     [](const Kernels& k, Operands& o, float* out) { k.layer_norm(o.floats.data(), o.rows, o.columns, o.Norm(), out); },
     kWidths},
    {"SoftmaxQuantize", 5,
     [](const Kernels& k, Operands& o, float*) {
       k.softmax_quantize(o.ints.data(), o.columns, nullptr, o.rows, o.columns, kScoreFactor, kMap, o.out.data(),
                          o.columns, o.row_sums.data());
     },
     kScores},
    {"SoftmaxQuantizeTerms", 5,
     [](const Kernels& k, Operands& o, float*) {
       k.softmax_quantize(o.ints.data(), o.columns, o.column_floats.data(), o.rows, o.columns, kScoreFactor, kMap,
                          o.out.data(), o.columns, o.row_sums.data());
     },
     kScores},
    {"SoftmaxQuantizeFloat", 5,
     [](const Kernels& k, Operands& o, float*) {
       k.softmax_quantize_float(o.floats.data(), o.columns, o.rows, o.columns, 1, kMap, o.out.data(), o.columns,
                                o.row_sums.data());
     },
     kScores},
    {"SoftmaxDequantize", 8,
     [](const Kernels& k, Operands& o, float* out) {
       k.softmax(o.ints.data(), o.columns, nullptr, o.rows, o.columns, kScoreFactor, out, o.columns);
     },
     kScores},
    {"SoftmaxFloat", 8,
     [](const Kernels& k, Operands& o, float* out) {
       k.softmax_float(o.floats.data(), o.columns, o.rows, o.columns, 1, out, o.columns);
     },
     kScores},
    {"GeluQuantize", 5,
     [](const Kernels& k, Operands& o, float*) { k.gelu_quantize(o.floats.data(), o.count, kMap, o.out.data()); },
     kHidden},
    {"GeluFloat", 8, [](const Kernels& k, Operands& o, float* out) { k.gelu(o.floats.data(), o.count, out); }, kHidden},
    {"Requantize", 5,
     [](const Kernels& k, Operands& o, float*) {
       k.requantize(o.ints.data(), o.columns, o.rows, o.columns, o.floats.data(), o.column_floats.data(), 1e-5F, kMap,
                    o.out.data(), o.columns);
     },
     kHeads},
    {"Dequantize", 8,
     [](const Kernels& k, Operands& o, float* out) {
       k.dequantize(o.ints.data(), o.columns, o.rows, o.columns, o.floats.data(), o.column_floats.data(), 1e-5F, out,
                    o.columns);
     },
     kHeads},
    {"RowSums", 1,
     [](const Kernels& k, Operands& o, float*) {
       k.row_sums_unsigned(o.codes.data(), o.columns, o.rows, o.columns, o.row_sums.data());
     },
     kWidths},
    {"RowSumsSigned", 1,
     [](const Kernels& k, Operands& o, float*) {
       k.row_sums_signed(reinterpret_cast<const int8_t*>(o.codes.data()), o.columns, o.rows, o.columns,
                         o.row_sums.data());
     },
     kWidths},
    {"ColumnSums", 1,
     [](const Kernels& k, Operands& o, float*) {
       k.column_sums_signed(reinterpret_cast<const int8_t*>(o.codes.data()), o.columns, o.rows, o.columns,
                            o.column_sums.data());
     },
     kHeads},
    {"AddOuter", 8,
     [](const Kernels& k, Operands& o, float* out) {
       k.add_outer(o.floats.data(), o.column_floats.data(), o.rows, o.columns, out);
     },
     kWidths},
    {"Add", 12, [](const Kernels& k, Operands& o, float* out) { k.add(o.floats.data(), o.count, out); }, kWidths},
};

// The sum of a row in as many partial ones as a register or two hold.
float SumOfRow(const float* row, int64_t columns) {
  constexpr int64_t kPartial = 16;
  float partial[kPartial] = {};
  int64_t c = 0;
  for (; c + kPartial <= columns; c += kPartial) {
    for (int64_t k = 0; k < kPartial; ++k) {
      partial[k] += row[c + k];
    }
  }
  float sum = 0;
  for (; c < columns; ++c) {
    sum += row[c];
  }
  for (float value : partial) {
    sum += value;
  }
  return sum;
}

void CopyPatches(const float* image, int64_t channels, int64_t size, int64_t patch, float* out) {
  for (int64_t top = 0; top < size; top += patch) {
    for (int64_t left = 0; left < size; left += patch) {
      for (int64_t c = 0; c < channels; ++c) {
        for (int64_t i = 0; i < patch; ++i, out += patch) {
          std::copy_n(image + (c * size + top + i) * size + left, patch, out);
        }
      }
    }
  }
}

// The twins of Quantize (where a float model does nothing, a copy at the most), Patches, RowSums and ColumnSums.
const Call kFloatTwins[] = {
    {"Copy", 8, [](const Kernels&, Operands& o, float* out) { std::copy_n(o.floats.data(), o.count, out); }, kWidths},
    {"Patches",
     8,
     [](const Kernels&, Operands& o, float* out) { CopyPatches(o.floats.data(), 3, 224, 16, out); },
     {{3 * 224, 224}}},
    {"RowSums", 4,
     [](const Kernels&, Operands& o, float* out) {
       for (int64_t r = 0; r < o.rows; ++r) {
         out[r] = SumOfRow(o.floats.data() + r * o.columns, o.columns);
       }
     },
     kWidths},
    {"ColumnSums", 4,
     [](const Kernels&, Operands& o, float* out) {
       std::fill_n(out, o.columns, 0.0F);
       for (int64_t i = 0; i < o.count; i += o.columns) {
         for (int64_t c = 0; c < o.columns; ++c) {
           out[c] += o.floats[i + c];
         }
       }
     },
     kHeads},
};

void Run(benchmark::State& state, InstructionSet set, const Call& call) {
  const Kernels& kernels = KernelsFor(set);
  Operands operands(state);
  std::vector<float> float_out(operands.count);
  for (auto _ : state) {
    call.run(kernels, operands, float_out.data());
    benchmark::ClobberMemory();
  }
  const int64_t elements = state.iterations() * operands.count;
  state.SetItemsProcessed(elements);
  state.SetBytesProcessed(elements * call.bytes_per_element);
  state.counters["ns/element"] = benchmark::Counter(static_cast<double>(elements) * 1e-9,
                                                    benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void Register(const char* prefix, InstructionSet set, const Call& call) {
  const std::string name = std::string(prefix) + "/" + call.name;
  auto* const registered =
      benchmark::RegisterBenchmark(name.c_str(), [set, &call](benchmark::State& state) { Run(state, set, call); });
  for (const std::vector<int64_t>& shape : call.shapes) {
    registered->Args(shape);
  }
}

void RegisterAll() {
  for (const Call& call : kFloatTwins) {
    Register("float32", InstructionSet::kScalar, call);
  }
  for (InstructionSet set : {InstructionSet::kScalar, InstructionSet::kAvx2, InstructionSet::kAvx512Vnni}) {
    if (!CheckAvailable(set).ok()) {
      continue;
    }
    for (const Call& call : kCalls) {
      Register(Name(set), set, call);
    }
  }
}

}  // namespace
}  // namespace ptq::exec

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  ptq::exec::RegisterAll();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
