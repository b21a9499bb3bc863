// lapq.h: step sizes of all operands found together on the network's loss (Nahshan et al., "Loss Aware Post-training
// Quantization", Machine Learning 2021, arXiv 1911.07190).
#pragma once

#include <memory>

#include "core/method/method.h"

namespace ptq::baselines {

// id "lapq".  Reads the labels of the calibration images unless loss = "kl".
std::unique_ptr<method::Method> MakeLapq();

}  // namespace ptq::baselines
