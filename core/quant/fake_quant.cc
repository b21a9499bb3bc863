#include "core/quant/fake_quant.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>

#include <cmath>

namespace ptq::quant {
namespace {

constexpr int64_t kGrainElements = 1 << 15;

// What one channel needs, in registers.  The arithmetic repeats reference.cc operation for operation, in a form that
// the compiler turns into vector instructions.
struct Channel {
  float scale, zero_point, offset, qmin, qmax;

  Channel(const QuantParams& params, int64_t c) {
    const CodeRange codes = Codes(params.grid, params.num_bits);
    scale = params.scale[c];
    zero_point = static_cast<float>(params.zero_point[c]);
    offset = LevelOffset(params.grid);
    qmin = static_cast<float>(codes.qmin);
    qmax = static_cast<float>(codes.qmax);
  }
  float Code(float x) const {
    float code = std::nearbyint(x / scale - offset) + zero_point;
    code = code < qmin ? qmin : code;
    return code > qmax ? qmax : code;
  }
  float Value(float code) const { return scale * ((code - zero_point) + offset); }
};

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

}  // namespace

at::Tensor Quantize(const at::Tensor& x, const QuantParams& params) {
  const at::Tensor in = x.contiguous();
  at::Tensor out = at::empty(in.sizes(), in.options().dtype(at::kInt));
  const float* src = in.data_ptr<float>();
  int32_t* dst = out.data_ptr<int32_t>();
  ForEachRange(in, params, [=](const Channel& channel, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      dst[i] = static_cast<int32_t>(channel.Code(src[i]));
    }
  });
  return out;
}

void CodesLessZeroPoint(const float* x, int64_t size, const QuantParams& params, int64_t channel, int32_t* out) {
  PTQ_CHECK(LevelOffset(params.grid) == 0.0F) << Name(params.grid);
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
  ForEachRange(in, params, [=](const Channel& channel, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      dst[i] = channel.Value(static_cast<float>(src[i]));
    }
  });
  return out;
}

at::Tensor FakeQuantize(const at::Tensor& x, const QuantParams& params) {
  const at::Tensor in = x.contiguous();
  at::Tensor out = at::empty(in.sizes(), in.options());
  const float* src = in.data_ptr<float>();
  float* dst = out.data_ptr<float>();
  ForEachRange(in, params, [=](const Channel& channel, int64_t begin, int64_t end) {
    const Channel local = channel;
    for (int64_t i = begin; i < end; ++i) {
      dst[i] = local.Value(local.Code(src[i]));
    }
  });
  return out;
}

}  // namespace ptq::quant
