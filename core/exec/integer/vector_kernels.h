// vector_kernels.h: all vector kernels of one instruction set.
#pragma once

#include "core/exec/integer/vector_codes.h"
#include "core/exec/integer/vector_gelu.h"
#include "core/exec/integer/vector_layer_norm.h"
#include "core/exec/integer/vector_softmax_kernels.h"
#include "core/exec/integer/vector_sums.h"

namespace ptq::exec::internal {

template <class V>
constexpr Kernels VectorKernels(InstructionSet set) {
  return {
      set,
      Quantize<V, uint8_t>,
      Quantize<V, int8_t>,
      QuantizePatches<V>,
      LayerNormQuantize<V>,
      LayerNorm<V>,
      SoftmaxQuantize<V>,
      SoftmaxQuantizeFloat<V>,
      Softmax<V>,
      SoftmaxFloat<V>,
      GeluQuantize<V>,
      Gelu<V>,
      Requantize<V>,
      Dequantize<V>,
      RowSums<V, uint8_t>,
      RowSums<V, int8_t>,
      ColumnSumsSigned<V>,
      AddOuter<V>,
      Add<V>,
  };
}

}  // namespace ptq::exec::internal
