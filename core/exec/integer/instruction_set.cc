#include "core/exec/integer/instruction_set.h"

#include <string>

namespace ptq::exec {
namespace {

constexpr InstructionSet kAll[] = {InstructionSet::kScalar, InstructionSet::kAvx2, InstructionSet::kAvx512Vnni};

bool CpuHas(InstructionSet set) {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  switch (set) {
    case InstructionSet::kScalar:
      return true;
    case InstructionSet::kAvx2:
      return avx2;
    case InstructionSet::kAvx512Vnni:
      return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512vnni");
  }
  return false;
#else
  return set == InstructionSet::kScalar;
#endif
}

}  // namespace

const char* Name(InstructionSet set) {
  switch (set) {
    case InstructionSet::kScalar:
      return "scalar";
    case InstructionSet::kAvx2:
      return "avx2";
    case InstructionSet::kAvx512Vnni:
      return "avx512_vnni";
  }
  PTQ_CHECK(false) << "instruction set " << static_cast<int>(set);
  return "";
}

Result<InstructionSet> ParseInstructionSet(std::string_view name) {
  std::string names;
  for (InstructionSet set : kAll) {
    if (name == Name(set)) {
      return set;
    }
    names += names.empty() ? Name(set) : std::string(", ") + Name(set);
  }
  return InvalidArgument("\"" + std::string(name) + "\" is no instruction set; the known ones are " + names + ".");
}

InstructionSet BestInstructionSet() {
  InstructionSet best = InstructionSet::kScalar;
  for (InstructionSet set : kAll) {
    best = CpuHas(set) ? set : best;
  }
  return best;
}

Status CheckAvailable(InstructionSet set) {
  if (CpuHas(set)) {
    return {};
  }
  std::string names;
  for (InstructionSet known : kAll) {
    if (CpuHas(known)) {
      names += names.empty() ? Name(known) : std::string(", ") + Name(known);
    }
  }
  return Unsupported(std::string("this CPU does not run ") + Name(set) + "; it runs " + names + ".");
}

}  // namespace ptq::exec
