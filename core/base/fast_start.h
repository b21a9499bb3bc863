// fast_start.h: settings that numeric libraries read from the environment before main begins.
//
// Two defaults cost an order of magnitude and can only be mended before the libraries are loaded:
// * OpenBLAS does not know CPUs newer than itself and then runs kernels of 2004 ("Prescott"), about ten times slower
//   than the AVX-512 or AVX2 ones that the CPU could run (OPENBLAS_CORETYPE).
// * Idle OpenMP threads spin; where another program wants the cores, every small product waits for a time slice
//   (OMP_WAIT_POLICY).
#pragma once

#include <string>

namespace ptq {

// OpenBLAS's name for its kernels in this process ("SkylakeX", "Haswell", "Prescott"); empty without OpenBLAS.
std::string OpenBlasKernels();

// The OPENBLAS_CORETYPE that this CPU deserves where OpenBLAS chose kernels older than AVX2; empty where it chose well.
std::string BetterOpenBlasKernels();

// Call first in main.  Sets what is unset and helps, and starts the program anew, once; returns where nothing is to be
// changed.  A variable that the caller has set is left as it is.
void RestartWithFastSettings(char** argv);

}  // namespace ptq
