// liu.h: the core method: Liu et al., "Post-Training Quantization for Vision Transformer", NeurIPS 2021.
//
// Similarity- and ranking-aware interval search, bias correction, nuclear-norm mixed precision.  What the paper leaves
// open, and what was decided: docs/liu.md.
#pragma once

#include <memory>

#include "core/method/method.h"

namespace ptq::liu {

std::unique_ptr<method::Method> MakeLiu();

}  // namespace ptq::liu
