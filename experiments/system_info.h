// system_info.h: the machine, the binary, and what the process uses.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "results/store.h"

namespace ptq::experiments {

results::HostRecord ThisHost();
results::BuildRecord ThisBuild();

// The shared library that supplies the matrix products in this process, from the loader's map: its file, and whether
// it is the slow reference BLAS.
struct BlasInfo {
  std::string path;
  std::string name;  // "OpenBLAS (OpenMP)", "OpenBLAS (pthread)", "reference BLAS", "bundled with LibTorch"
  bool is_reference = false;
};
BlasInfo LoadedBlas();

// Compiler, flags, LibTorch, BLAS, oneDNN, CPU features, threads: the answer of `ptqbench describe build`.
std::string DescribeBuild();

// Which program runs: its revision with the size and time of its file, so that two builds of uncommitted sources
// differ.
std::string ProgramIdentity();

// Asks glibc to keep freed activations instead of returning them to the system at once, which LibTorch pays for with
// page faults after every op.  Called once at the start of main.
void KeepFreedMemory();

// Peak resident memory since the last reset; ResetPeakMemory may be refused by the system, then since the start.
void ResetPeakMemory();
int64_t PeakMemoryBytes();

// The CPUs that the process may run on: "0-3,8".
std::string UsableCpus();
// Ascending numbers as such a text; empty for none.
std::string CpuListText(const std::vector<int>& cpus);

// "2026-01-31T12:00:00Z"
std::string UtcNow();

}  // namespace ptq::experiments
