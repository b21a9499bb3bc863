// instruction_set.h: what the integer executor's own kernels and products run on.
#pragma once

#include <string_view>

#include "core/base/error.h"

namespace ptq::exec {

enum class InstructionSet {
  kScalar,      // plain x86-64
  kAvx2,        // AVX2 and FMA
  kAvx512Vnni,  // AVX-512 F, BW, DQ, VL and VNNI
};

const char* Name(InstructionSet set);  // "scalar", "avx2", "avx512_vnni"
// InvalidArgument for another name; the message lists the three.
Result<InstructionSet> ParseInstructionSet(std::string_view name);

// The best that this CPU has.
InstructionSet BestInstructionSet();
// Unsupported where this CPU lacks it; the message names what it has.
Status CheckAvailable(InstructionSet set);

}  // namespace ptq::exec
