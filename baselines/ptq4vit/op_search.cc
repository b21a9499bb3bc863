#include "baselines/ptq4vit/op_search.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace ptq::baselines::ptq4vit {
namespace {

using quant::Grid;
using quant::QuantParams;

constexpr float kGeluMinimum = 0.16997124254703522F;  // |min of GELU|, the authors' constant
constexpr int kSplits = 20;                           // splits of the softmax range: 2^0 .. 2^-19

bool IsGelu(const vit::OpId& op, vit::Side side) { return op.kind == vit::OpKind::kFc2 && side == vit::Side::kLeft; }
bool IsSoftmax(const vit::OpId& op, vit::Side side) { return op.kind == vit::OpKind::kPv && side == vit::Side::kLeft; }

QuantParams OnGrid(Grid grid, int bits, double scale) {
  QuantParams params;
  params.grid = grid;
  params.num_bits = bits;
  params.scale = {scale > 0 ? static_cast<float>(scale) : 1.0F};
  params.zero_point = {0};
  return params;
}

// One operand while its interval is searched.
class Operand {
 public:
  Operand(const calib::CapturedOp& captured, vit::Side side, int bits, const SearchSettings& settings)
      : op_(captured.op), side_(side), values_(side == vit::Side::kLeft ? captured.left : captured.right) {
    candidates_.side = side;
    const auto levels = static_cast<double>(1 << (bits - 1));
    if (settings.twin_ranges && IsSoftmax(op_, side)) {
      chosen_.push_back(SoftmaxRange(0.01F, bits));
      for (int i = 0; i < kSplits; ++i) {
        candidates_.parts.push_back({SoftmaxRange(std::ldexp(1.0F, -i), bits)});
      }
      return;
    }
    const bool twin = settings.twin_ranges && IsGelu(op_, side);
    for (const at::Tensor& part : ValuesOfParts()) {
      const float largest = (twin ? part.max() : part.abs().max()).item<float>();
      QuantParams params =
          OnGrid(twin ? Grid::kTwinSigned : Grid::kSymmetricFull, bits, largest / static_cast<float>(levels - 0.5));
      if (twin) {
        params.second_scale = {kGeluMinimum / static_cast<float>(levels)};
      }
      chosen_.push_back(params);
    }
    const double step = (settings.beta - settings.alpha) / static_cast<double>(settings.candidates);
    for (int64_t i = 0; i < settings.candidates; ++i) {
      Parts& parts = candidates_.parts.emplace_back(chosen_);
      for (QuantParams& params : parts) {
        params.scale[0] *= static_cast<float>(settings.alpha + static_cast<double>(i) * step);
      }
    }
    candidates_.first = std::clamp<double>((1 - settings.alpha) / std::max(step, 1e-12), 0, settings.candidates - 1);
  }

  const Candidates& candidates() const { return candidates_; }
  // Takes the best candidate of each part; whether that changed anything.
  bool Choose(const std::vector<size_t>& best) {
    const Parts before = chosen_;
    for (size_t part = 0; part < best.size(); ++part) {
      chosen_[part] = candidates_.parts[best[part]][part];
    }
    candidates_.first = best[0];
    return !(before == chosen_);
  }

  const Parts& chosen() const { return chosen_; }
  // The parts as parameters of the whole operand.
  QuantParams Joined() const {
    QuantParams joined = chosen_[0];
    if (chosen_.size() == 1) {
      return joined;
    }
    joined.granularity = quant::Granularity::kPerChannel;
    joined.axis = op_.has_weight() ? 0 : 1;  // rows of a weight, heads of an attention operand
    const int64_t channels_of_part = values_.size(joined.axis) / static_cast<int64_t>(chosen_.size());
    joined.scale.clear();
    for (const QuantParams& part : chosen_) {
      joined.scale.insert(joined.scale.end(), channels_of_part, part.scale[0]);
    }
    joined.zero_point.assign(joined.scale.size(), 0);
    return joined;
  }

 private:
  static QuantParams SoftmaxRange(float split, int bits) {
    const auto largest = static_cast<float>((1 << (bits - 1)) - 1);
    QuantParams params = OnGrid(Grid::kTwinSoftmax, bits, split / largest);
    params.second_scale = {1 / largest};
    return params;
  }

  // The authors' parts: q, k and v of the qkv weight, rows of the patch embedding, heads of attention operands.
  std::vector<at::Tensor> ValuesOfParts() const {
    if (!op_.has_weight()) {
      return values_.unbind(1);
    }
    if (side_ == vit::Side::kRight && op_.kind == vit::OpKind::kQkv) {
      return values_.chunk(3, 0);
    }
    if (side_ == vit::Side::kRight && op_.kind == vit::OpKind::kPatchEmbed) {
      return values_.unbind(0);
    }
    return {values_};
  }

  const vit::OpId op_;
  const vit::Side side_;
  const at::Tensor values_;
  Candidates candidates_;
  Parts chosen_;
};

search::OpSample SampleOf(const calib::CapturedOp& captured, const at::Tensor& bias) {
  search::OpSample sample;
  sample.images = captured.left.size(0);
  sample.shared_right = captured.op.has_weight();
  sample.heads = sample.shared_right ? 1 : captured.left.size(1);
  sample.rows = captured.left.size(-2);
  sample.inner = captured.left.size(-1);
  sample.columns = captured.right.size(-2);
  sample.left = captured.left.data_ptr<float>();
  sample.right = captured.right.data_ptr<float>();
  sample.target = captured.output.data_ptr<float>();
  sample.bias = sample.shared_right ? bias.data_ptr<float>() : nullptr;
  return sample;
}

}  // namespace

Result<FoundOp> SearchOp(const calib::CapturedOp& captured, const at::Tensor& gradient, const at::Tensor& bias,
                         OpBits bits, const SearchSettings& settings, const std::function<bool()>& stop) {
  const bool hessian = settings.metric == Metric::kHessian;
  at::Tensor weights = gradient;
  if (hessian) {
    PTQ_CHECK(gradient.numel() == captured.output.numel());
    if (!gradient.any().item<bool>()) {  // nothing after the op depends on it: every output counts the same
      weights = at::ones_like(gradient);
    }
  }
  const OpLoss loss(SampleOf(captured, bias), hessian ? weights.data_ptr<float>() : nullptr, settings.metric, stop);
  Operand left(captured, vit::Side::kLeft, bits.left, settings);
  Operand right(captured, vit::Side::kRight, bits.right, settings);
  const auto search = [&](Operand& operand, const Parts& other) -> Result<bool> {
    PTQ_ASSIGN_OR_RETURN(const std::vector<size_t> best, loss.Best(operand.candidates(), other));
    return operand.Choose(best);
  };
  const bool weight_first = captured.op.has_weight();
  // The authors search the softmax output's split beside a float right operand.
  const bool left_beside_float = settings.twin_ranges && captured.op.kind == vit::OpKind::kPv;
  // With one operand searched beside a float one, a second round would repeat the first.
  const int64_t rounds = left_beside_float || bits.float_left ? 1 : settings.rounds;
  for (int64_t round = 0; round < rounds; ++round) {
    bool moved = false;
    for (const bool is_left : {!weight_first, weight_first}) {
      if (is_left && bits.float_left) {
        continue;
      }
      const Operand& fixed = is_left ? right : left;
      const bool in_float = is_left ? left_beside_float : bits.float_left;
      PTQ_ASSIGN_OR_RETURN(const bool changed, search(is_left ? left : right, in_float ? Parts() : fixed.chosen()));
      moved = moved || changed;
      if (!changed && round > 0) {
        break;  // the other operand would be searched beside what it was searched beside before
      }
    }
    if (!moved) {
      break;
    }
  }
  return FoundOp{left.Joined(), right.Joined()};
}

}  // namespace ptq::baselines::ptq4vit
