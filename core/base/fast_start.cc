#include "core/base/fast_start.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>

namespace ptq {

std::string OpenBlasKernels() {
  using CoreName = char* (*)();
  const auto core_name = reinterpret_cast<CoreName>(dlsym(RTLD_DEFAULT, "openblas_get_corename"));
  return core_name == nullptr ? "" : core_name();
}

std::string BetterOpenBlasKernels() {
  const std::string kernels = OpenBlasKernels();
  for (const char* old : {"Prescott", "Core2", "Penryn", "Dunnington", "Atom", "Nehalem", "Sandybridge", "Unknown"}) {
    if (kernels != old) {
      continue;
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
      return "SKYLAKEX";
    }
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? "HASWELL" : "";
  }
  return "";
}

void RestartWithFastSettings(char** argv) {
  constexpr char kRestarted[] = "PTQBENCH_RESTARTED";  // so that a setting that does not help cannot loop
  if (std::getenv(kRestarted) != nullptr) {
    unsetenv(kRestarted);  // children decide for themselves
    return;
  }
  bool changed = false;
  const std::string kernels = BetterOpenBlasKernels();
  if (!kernels.empty() && std::getenv("OPENBLAS_CORETYPE") == nullptr) {
    changed = setenv("OPENBLAS_CORETYPE", kernels.c_str(), 1) == 0;
  }
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) {
    changed = setenv("OMP_WAIT_POLICY", "PASSIVE", 1) == 0 || changed;
  }
  if (changed && setenv(kRestarted, "1", 1) == 0) {
    execv("/proc/self/exe", argv);  // returns only where the system refuses; then the program runs on, slowly
    unsetenv(kRestarted);
  }
}

}  // namespace ptq
