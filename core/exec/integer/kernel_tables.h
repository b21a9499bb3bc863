// kernel_tables.h: the kernels of each instruction set, one source each, compiled for it alone.
//
// The vector ones are the templates of vector_*.h over a struct V that wraps one instruction set's registers:
//   Floats, Ints           kLanes floats or int32
//   All, First             which lanes a load or store touches: all, or the first n in 1..kLanes-1
// V's are in unnamed namespaces, so that no function made from them can stand in for another source's.  For the same
// reason these sources call no inline function of the standard library.
#pragma once

#include "core/exec/integer/kernels.h"

namespace ptq::exec::internal {

extern const Kernels kScalarKernels, kAvx2Kernels, kAvx512VnniKernels;

}  // namespace ptq::exec::internal
