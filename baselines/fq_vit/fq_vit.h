// fq_vit.h: LayerNorm inputs on power-of-two factors of one scale, softmax on powers of two (Lin et al., IJCAI 2022).
#pragma once

#include <memory>

#include "core/method/method.h"

namespace ptq::baselines {

std::unique_ptr<method::Method> MakeFqVit();

}  // namespace ptq::baselines
