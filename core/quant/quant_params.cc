#include "core/quant/quant_params.h"

#include <algorithm>
#include <cmath>

#include "core/base/nearest_name.h"
#include "core/quant/reference.h"

namespace ptq::quant {
namespace {

struct NamedGrid {
  Grid grid;
  const char* name;
};
constexpr NamedGrid kGrids[] = {
    {Grid::kSymmetricRestricted, "symmetric_restricted"},
    {Grid::kSymmetricFull, "symmetric_full"},
    {Grid::kUnsigned, "unsigned"},
    {Grid::kAffine, "affine"},
    {Grid::kSymmetricHalf, "symmetric_half"},
    {Grid::kLog2, "log2"},
    {Grid::kLogSqrt2, "log_sqrt2"},
    {Grid::kTwinSigned, "twin_signed"},
    {Grid::kTwinSoftmax, "twin_softmax"},
};

Status CheckBits(int num_bits) {
  if (num_bits < kMinBits || num_bits > kMaxBits) {
    return InvalidArgument("num_bits is " + std::to_string(num_bits) + "; it must lie in 2..16");
  }
  return OkStatus();
}

// The step for one channel's range; 0 where the range is empty.
double Step(Grid grid, int num_bits, double min, double max) {
  const double levels = std::ldexp(1.0, num_bits) - 1.0;
  const double bound = std::max(std::fabs(min), std::fabs(max));
  const double q = std::ldexp(1.0, num_bits - 1) - 1.0;
  switch (grid) {
    case Grid::kSymmetricRestricted:
    case Grid::kSymmetricFull:
      return bound / q;
    case Grid::kUnsigned:
      return std::max(max, 0.0) / levels;
    case Grid::kAffine:
      return (std::max(max, 0.0) - std::min(min, 0.0)) / levels;
    case Grid::kSymmetricHalf:
      return 2.0 * bound / levels;
    case Grid::kLog2:
    case Grid::kLogSqrt2:
      return std::max(max, 0.0);
    case Grid::kTwinSigned:
    case Grid::kTwinSoftmax:
      break;
  }
  return 0.0;
}

}  // namespace

const char* Name(Grid grid) {
  for (const NamedGrid& entry : kGrids) {
    if (entry.grid == grid) {
      return entry.name;
    }
  }
  return "?";
}

Result<Grid> ParseGrid(std::string_view name) {
  std::vector<std::string> names;
  for (const NamedGrid& entry : kGrids) {
    if (name == entry.name) {
      return entry.grid;
    }
    names.emplace_back(entry.name);
  }
  return InvalidArgument("no grid is called '" + std::string(name) + "'" + DidYouMean(name, names));
}

const char* Name(Granularity granularity) {
  return granularity == Granularity::kPerTensor ? "per_tensor" : "per_channel";
}

Result<Granularity> ParseGranularity(std::string_view name) {
  for (const Granularity granularity : {Granularity::kPerTensor, Granularity::kPerChannel}) {
    if (name == Name(granularity)) {
      return granularity;
    }
  }
  return InvalidArgument("no granularity is called '" + std::string(name) + "'; use 'per_tensor' or 'per_channel'");
}

CodeRange Codes(Grid grid, int num_bits) {
  PTQ_CHECK(num_bits >= kMinBits && num_bits <= kMaxBits) << num_bits;
  const int32_t half = 1 << (num_bits - 1);
  switch (grid) {
    case Grid::kSymmetricRestricted:
      return {-(half - 1), half - 1};
    case Grid::kSymmetricFull:
    case Grid::kSymmetricHalf:
    case Grid::kTwinSigned:
      return {-half, half - 1};
    case Grid::kUnsigned:
    case Grid::kAffine:
      return {0, 2 * half - 1};
    case Grid::kLog2:
    case Grid::kLogSqrt2:
      return {0, 2 * half};
    case Grid::kTwinSoftmax:
      return {0, 2 * (half - 1)};
  }
  return {};
}

CodeRange Codes(const QuantParams& params, int64_t channel) {
  if (params.channel_bits.empty()) {
    return Codes(params.grid, params.num_bits);
  }
  const int bits = params.channel_bits[channel];
  if (bits >= kMinBits) {
    return Codes(params.grid, bits);
  }
  const bool is_signed = params.grid == Grid::kSymmetricRestricted || params.grid == Grid::kSymmetricFull;
  return {0, bits == 1 && !is_signed ? 1 : 0};
}

bool SimulatedOnly(Grid grid) {
  return grid == Grid::kLog2 || grid == Grid::kLogSqrt2 || grid == Grid::kTwinSigned || grid == Grid::kTwinSoftmax;
}

namespace {

// The fields that most operands leave empty.
Status ValidateExtras(const QuantParams& params) {
  const size_t channels = params.scale.size();
  const bool twin = params.grid == Grid::kTwinSigned || params.grid == Grid::kTwinSoftmax;
  if (params.second_scale.size() != (twin ? channels : 0)) {
    return InvalidArgument(std::string("the ") + Name(params.grid) + " grid with " +
                           std::to_string(params.second_scale.size()) + " second scale(s)");
  }
  for (const float scale : params.second_scale) {
    if (!std::isfinite(scale) || scale <= 0) {
      return InvalidArgument("a second scale is not a positive finite number");
    }
  }
  if (SimulatedOnly(params.grid) && params.granularity != Granularity::kPerTensor) {
    return InvalidArgument(std::string("the ") + Name(params.grid) + " grid is per tensor");
  }
  if (!params.channel_bits.empty() &&
      (params.channel_bits.size() != channels || params.granularity != Granularity::kPerChannel)) {
    return InvalidArgument(std::to_string(channels) + " scale(s) but bits of " +
                           std::to_string(params.channel_bits.size()) + " channel(s)");
  }
  for (const int32_t bits : params.channel_bits) {
    if (bits < 0 || bits > kMaxBits) {
      return InvalidArgument("a channel has " + std::to_string(bits) + " bits; they must lie in 0..16");
    }
  }
  if (!params.correction.empty() && (params.correction.size() != channels || SimulatedOnly(params.grid))) {
    return InvalidArgument("as many corrections as scales, on a uniform grid; found " +
                           std::to_string(params.correction.size()));
  }
  for (const float correction : params.correction) {
    if (!std::isfinite(correction)) {
      return InvalidArgument("a correction is not a finite number");
    }
  }
  return OkStatus();
}

}  // namespace

float LevelOffset(Grid grid) { return grid == Grid::kSymmetricHalf ? 0.5F : 0.0F; }

bool QuantParams::operator==(const QuantParams& other) const {
  return grid == other.grid && num_bits == other.num_bits && granularity == other.granularity && axis == other.axis &&
         scale == other.scale && zero_point == other.zero_point && second_scale == other.second_scale &&
         channel_bits == other.channel_bits && correction == other.correction;
}

Status Validate(const QuantParams& params) {
  PTQ_RETURN_IF_ERROR(CheckBits(params.num_bits));
  const bool per_tensor = params.granularity == Granularity::kPerTensor;
  if (per_tensor ? (params.scale.size() != 1 || params.axis != -1) : (params.scale.empty() || params.axis < 0)) {
    return InvalidArgument(std::string(Name(params.granularity)) + " with " + std::to_string(params.scale.size()) +
                           " scale(s) and axis " + std::to_string(params.axis));
  }
  if (params.zero_point.size() != params.scale.size()) {
    return InvalidArgument(std::to_string(params.scale.size()) + " scale(s) but " +
                           std::to_string(params.zero_point.size()) + " zero point(s)");
  }
  PTQ_RETURN_IF_ERROR(ValidateExtras(params));
  for (size_t c = 0; c < params.scale.size(); ++c) {
    const CodeRange codes = Codes(params, static_cast<int64_t>(c));
    if (!std::isfinite(params.scale[c]) || params.scale[c] <= 0) {
      return InvalidArgument("scale " + std::to_string(c) + " is not a positive finite number");
    }
    const int32_t zero = params.zero_point[c];
    if (params.grid == Grid::kAffine ? (zero < codes.qmin || zero > codes.qmax) : zero != 0) {
      return InvalidArgument("zero point " + std::to_string(zero) + " is outside the " + Name(params.grid) + " grid");
    }
  }
  return OkStatus();
}

Result<QuantParams> ParamsFromRange(Grid grid, int num_bits, const std::vector<float>& min,
                                    const std::vector<float>& max, Granularity granularity, int axis) {
  PTQ_RETURN_IF_ERROR(CheckBits(num_bits));
  PTQ_CHECK(min.size() == max.size() && !min.empty());
  if (grid == Grid::kTwinSigned || grid == Grid::kTwinSoftmax) {
    return InvalidArgument(std::string("one range does not give the two scales of the ") + Name(grid) + " grid");
  }
  QuantParams params;
  params.grid = grid;
  params.num_bits = num_bits;
  params.granularity = granularity;
  params.axis = axis;
  const CodeRange codes = Codes(grid, num_bits);
  for (size_t c = 0; c < min.size(); ++c) {
    if (!std::isfinite(min[c]) || !std::isfinite(max[c]) || min[c] > max[c]) {
      return InvalidArgument("the range " + std::to_string(min[c]) + " to " + std::to_string(max[c]) +
                             " is not a finite interval");
    }
    float scale = static_cast<float>(Step(grid, num_bits, min[c], max[c]));
    if (!(scale >= 1e-30F)) {  // an empty range, or one whose quotients would overflow
      scale = 1.0F;
    }
    int32_t zero = 0;
    if (grid == Grid::kAffine) {
      const float code = RoundHalfEven(-std::min(min[c], 0.0F) / scale);
      zero = static_cast<int32_t>(std::clamp(code, static_cast<float>(codes.qmin), static_cast<float>(codes.qmax)));
    }
    params.scale.push_back(scale);
    params.zero_point.push_back(zero);
  }
  PTQ_RETURN_IF_ERROR(Validate(params));
  return params;
}

}  // namespace ptq::quant
