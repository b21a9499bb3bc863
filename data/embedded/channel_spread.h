// channel_spread.h: gives a trained model the outlier channels by which real ViTs suffer under quantization.
//
// The LayerNorm outputs of large pre-trained ViTs differ between channels by factors of ten and more (Li et al. 2023,
// RepQ-ViT, Section 3); a small model trained for minutes has no such channels and would keep its accuracy at bit
// widths at which real ones collapse.  Each LayerNorm before qkv and fc1 therefore gets a factor per channel, and the
// weights that read it get the inverse.  Factors are powers of two, so the float32 model computes the same function to
// the last bit; f16 takes bits from weights below 2^-14 alone.  The outliers are made, not learned: README.md says so.
#pragma once

#include <cstdint>

#include "core/vit/model.h"

namespace ptq::data {

// Changes the parameters in place.  Of the channels 15 % get the factor 2 and 5 % get 4, drawn from `seed`.
void SpreadChannels(const vit::VitModel& model, uint64_t seed);

}  // namespace ptq::data
