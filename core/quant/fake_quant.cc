#include "core/quant/fake_quant.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "core/quant/reference.h"

namespace ptq::quant {
namespace {

constexpr int64_t kGrainElements = 1 << 15;

// What one channel needs, in registers.  The arithmetic repeats reference.cc operation for operation, in a form that
// the compiler turns into vector instructions.
struct Channel {
  float scale, zero_point, offset, qmin, qmax;
  float correction = 0;

  Channel(const QuantParams& params, int64_t c) {
    const CodeRange codes = Codes(params, c);
    scale = params.scale[c];
    zero_point = static_cast<float>(params.zero_point[c]);
    offset = LevelOffset(params.grid);
    qmin = static_cast<float>(codes.qmin);
    qmax = static_cast<float>(codes.qmax);
    correction = params.correction.empty() ? 0 : params.correction[c];
  }
  float Code(float x) const {
    float code = std::nearbyint(x / scale - offset) + zero_point;
    code = code < qmin ? qmin : code;
    return code > qmax ? qmax : code;
  }
  float Value(float code) const { return scale * ((code - zero_point) + offset); }
  float CorrectedValue(float code) const { return std::fma(scale, (code - zero_point) + offset, correction); }
};

// A grid that is not uniform: codes as in reference.cc, values from a table.
class NonUniform {
 public:
  explicit NonUniform(const QuantParams& params)
      : grid_(params.grid),
        codes_(Codes(params.grid, params.num_bits)),
        q_(static_cast<float>((1 << (params.num_bits - 1)) - 1)),
        scale_(params.scale[0]),
        second_scale_(params.second_scale.empty() ? 1 : params.second_scale[0]) {
    for (int32_t code = codes_.qmin; code <= codes_.qmax; ++code) {
      values_.push_back(DequantizeScalar(code, params));
    }
  }

  int32_t Code(float x) const {
    switch (grid_) {
      case Grid::kTwinSigned:
        return static_cast<int32_t>(x >= 0 ? std::min(std::nearbyint(x / scale_), q_)
                                           : std::max(std::nearbyint(x / second_scale_), -q_ - 1));
      case Grid::kTwinSoftmax: {
        const float split = q_ * scale_;
        const float low = std::clamp(std::nearbyint(std::min(x, split) / scale_), 0.0F, q_);
        const float high = std::clamp(std::nearbyint(std::max(x, split) / second_scale_), 0.0F, q_);
        return static_cast<int32_t>(low + high);
      }
      default: {
        const auto zero = static_cast<float>(codes_.qmax);
        if (x <= 0) {
          return codes_.qmax;
        }
        const float octaves = -std::log2(x / scale_);
        return static_cast<int32_t>(
            std::clamp(std::nearbyint(grid_ == Grid::kLogSqrt2 ? 2 * octaves : octaves), 0.0F, zero));
      }
    }
  }
  float Value(int32_t code) const { return values_[code - codes_.qmin]; }

 private:
  const Grid grid_;
  const CodeRange codes_;
  const float q_, scale_, second_scale_;
  std::vector<float> values_;
};

// Calls run(i) for every element.
template <typename Run>
void ForEachElement(int64_t size, const Run& run) {
  at::parallel_for(0, size, kGrainElements, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      run(i);
    }
  });
}

// Calls run(channel, begin, end) over element ranges that share one channel and together cover the tensor.
template <typename Run>
void ForEachRange(const at::Tensor& x, const QuantParams& params, const Run& run) {
  if (params.granularity == Granularity::kPerTensor) {
    const Channel channel(params, 0);
    at::parallel_for(0, x.numel(), kGrainElements, [&](int64_t begin, int64_t end) { run(channel, begin, end); });
    return;
  }
  PTQ_CHECK(params.axis < x.dim() && x.size(params.axis) == static_cast<int64_t>(params.scale.size()))
      << "axis " << params.axis << ", " << params.scale.size() << " scales";
  int64_t inner = 1;  // elements that lie together and share a channel
  for (int64_t d = params.axis + 1; d < x.dim(); ++d) {
    inner *= x.size(d);
  }
  const int64_t channels = x.size(params.axis);
  const int64_t runs = inner == 0 ? 0 : x.numel() / inner;
  std::vector<Channel> table;
  table.reserve(channels);
  for (int64_t c = 0; c < channels; ++c) {
    table.emplace_back(params, c);
  }
  at::parallel_for(0, runs, std::max<int64_t>(1, kGrainElements / std::max<int64_t>(inner, 1)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t r = begin; r < end; ++r) {
                       run(table[r % channels], r * inner, (r + 1) * inner);
                     }
                   });
}

// FakeQuantize where neighbouring elements belong to different channels: the channels' numbers lie side by side, so
// that a row is vector instructions too.
void FakeQuantizeRows(const at::Tensor& x, const QuantParams& params, float* dst) {
  const int64_t channels = x.size(-1);
  PTQ_CHECK(channels == static_cast<int64_t>(params.scale.size()))
      << "axis " << params.axis << ", " << params.scale.size() << " scales";
  std::vector<float> zero_point, qmin, qmax;
  for (int64_t c = 0; c < channels; ++c) {
    const Channel channel(params, c);
    zero_point.push_back(channel.zero_point);
    qmin.push_back(channel.qmin);
    qmax.push_back(channel.qmax);
  }
  const float* src = x.data_ptr<float>();
  const float* const scale = params.scale.data();
  const float* const zero = zero_point.data();
  const float* const low = qmin.data();
  const float* const high = qmax.data();
  const float offset = LevelOffset(params.grid);
  const int64_t rows = channels == 0 ? 0 : x.numel() / channels;
  at::parallel_for(0, rows, std::max<int64_t>(1, kGrainElements / std::max<int64_t>(channels, 1)),
                   [=](int64_t begin, int64_t end) {
                     for (int64_t row = begin; row < end; ++row) {
                       const float* from = src + row * channels;
                       float* to = dst + row * channels;
#pragma GCC ivdep
                       for (int64_t c = 0; c < channels; ++c) {
                         float code = std::nearbyint(from[c] / scale[c] - offset) + zero[c];
                         code = code < low[c] ? low[c] : code;
                         code = code > high[c] ? high[c] : code;
                         to[c] = scale[c] * ((code - zero[c]) + offset);
                       }
                     }
                   });
}

}  // namespace

at::Tensor Quantize(const at::Tensor& x, const QuantParams& params) {
  const at::Tensor in = x.contiguous();
  at::Tensor out = at::empty(in.sizes(), in.options().dtype(at::kInt));
  const float* src = in.data_ptr<float>();
  int32_t* dst = out.data_ptr<int32_t>();
  if (SimulatedOnly(params.grid)) {
    const NonUniform grid(params);
    ForEachElement(in.numel(), [&](int64_t i) { dst[i] = grid.Code(src[i]); });
    return out;
  }
  ForEachRange(in, params, [=](const Channel& channel, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      dst[i] = static_cast<int32_t>(channel.Code(src[i]));
    }
  });
  return out;
}

void CodesLessZeroPoint(const float* x, int64_t size, const QuantParams& params, int64_t channel, int32_t* out) {
  PTQ_CHECK(LevelOffset(params.grid) == 0.0F && !SimulatedOnly(params.grid)) << Name(params.grid);
  const Channel local(params, channel);
  for (int64_t i = 0; i < size; ++i) {
    out[i] = static_cast<int32_t>(local.Code(x[i]) - local.zero_point);
  }
}

at::Tensor Dequantize(const at::Tensor& codes, const QuantParams& params) {
  const at::Tensor in = codes.contiguous();
  at::Tensor out = at::empty(in.sizes(), in.options().dtype(at::kFloat));
  const int32_t* src = in.data_ptr<int32_t>();
  float* dst = out.data_ptr<float>();
  if (SimulatedOnly(params.grid)) {
    const NonUniform grid(params);
    ForEachElement(in.numel(), [&](int64_t i) { dst[i] = grid.Value(src[i]); });
    return out;
  }
  const bool corrected = !params.correction.empty();
  ForEachRange(in, params, [=](const Channel& channel, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto code = static_cast<float>(src[i]);
      dst[i] = corrected ? channel.CorrectedValue(code) : channel.Value(code);
    }
  });
  return out;
}

at::Tensor FakeQuantize(const at::Tensor& x, const QuantParams& params) {
  const at::Tensor in = x.contiguous();
  at::Tensor out = at::empty(in.sizes(), in.options());
  const float* src = in.data_ptr<float>();
  float* dst = out.data_ptr<float>();
  if (SimulatedOnly(params.grid)) {
    const NonUniform grid(params);
    ForEachElement(in.numel(), [&](int64_t i) { dst[i] = grid.Value(grid.Code(src[i])); });
    return out;
  }
  const bool corrected = !params.correction.empty();
  if (params.axis >= 0 && params.axis == in.dim() - 1 && !corrected) {
    FakeQuantizeRows(in, params, dst);
    return out;
  }
  ForEachRange(in, params, [=](const Channel& channel, int64_t begin, int64_t end) {
    const Channel local = channel;
    if (corrected) {
      for (int64_t i = begin; i < end; ++i) {
        dst[i] = local.CorrectedValue(local.Code(src[i]));
      }
      return;
    }
    for (int64_t i = begin; i < end; ++i) {
      dst[i] = local.Value(local.Code(src[i]));
    }
  });
  return out;
}

}  // namespace ptq::quant
