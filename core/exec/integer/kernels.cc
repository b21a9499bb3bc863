#include "core/exec/integer/kernels.h"

#include "core/base/check.h"
#include "core/exec/integer/kernel_tables.h"

namespace ptq::exec {

const Kernels& KernelsFor(InstructionSet set) {
  const Status available = CheckAvailable(set);
  PTQ_CHECK(available.ok()) << available.error().message;
  switch (set) {
    case InstructionSet::kAvx512Vnni:
      return internal::kAvx512VnniKernels;
    case InstructionSet::kAvx2:
      return internal::kAvx2Kernels;
    case InstructionSet::kScalar:
      break;
  }
  return internal::kScalarKernels;
}

}  // namespace ptq::exec
