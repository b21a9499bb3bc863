// integer_executor.h: runs a plan on integer kernels: exec mode "integer".
//
// An op runs in integers where both its operands are on uniform grids of at most 8 bits; narrower codes lie in int8
// containers.  Every other op (an operand of 9 to 16 bits, or none in the plan) runs in float32 on fake-quantized
// operands, as in the simulated executor; ops() and int8_coverage() say what ran how.  LayerNorm, softmax, GELU and the
// residual stream stay in float32, each one pass between codes and codes (kernels.h).
//
// Sums of codes are exact.  What differs from the simulated executor is float32 rounding: of scales folded into one
// factor, and of LayerNorm, softmax and GELU, which can move a code that lies at a tie.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/exec/executor.h"
#include "core/exec/integer/instruction_set.h"

namespace ptq::exec {

struct IntegerOptions {
  // kAvx512Vnni: products by oneDNN.  Without VNNI oneDNN's int8 products saturate in 16 bits, so products run on the
  // project's own exact kernels there.
  InstructionSet set = BestInstructionSet();
  // Of one call of Run.  As many images as threads or more: each image on one thread; fewer: each product on all.
  int threads = 1;
};

// How one op runs.
struct OpExecution {
  vit::OpId op;
  bool integer = false;
  std::string kernel;                // "brg:avx512_core_vnni u8s8s8", "jit:gemm f32", ...
  int64_t multiply_accumulates = 0;  // of one image
};

class IntegerExecutor : public Executor {
 public:
  virtual const std::vector<OpExecution>& ops() const = 0;  // in the order of execution
  // Share of the multiply-accumulates that run in integers.
  double int8_coverage() const;
  // Seconds spent per class of work ("linear", "attention products", "softmax", ..) since the last call, while
  // profiling is on; profiling costs a clock reading per step.
  virtual void SetProfiling(bool on) = 0;
  virtual std::vector<std::pair<std::string, double>> TakeProfile() = 0;
};

// Errors: those of method::Validate and VitModel::WithReplaced; Unsupported where a grid of the plan has no integer
// kernel (quant::SimulatedOnly; the message names operand and grid), or the CPU lacks the instruction set.
Result<std::unique_ptr<IntegerExecutor>> MakeIntegerExecutor(const vit::VitModel& model, const method::Plan& plan,
                                                             const IntegerOptions& options);

}  // namespace ptq::exec
