#include "core/exec/integer/lowered_model.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/check.h"
#include "core/quant/fake_quant.h"

namespace ptq::exec {
namespace {

using quant::QuantParams;
using vit::OpId;
using vit::OpKind;
using vit::Side;

std::vector<float> Floats(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.contiguous();
  return {dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel()};
}

bool AllFinite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

// Where a product writes codes: of q, k and v, by column.
struct StoreAs {
  std::vector<const StoredActivation*> columns;
  float low = 0, high = 0;  // stored, the same for all columns
};

class Lowering {
 public:
  Lowering(const vit::VitModel& model, const method::Plan& plan, LoweredModel& lowered)
      : model_(model), plan_(plan), config_(model.config()), out_(lowered) {}

  void Run() {
    out_.config = config_;
    const int64_t n = config_.tokens();
    out_.patch_embed = MakeOp({OpKind::kPatchEmbed, -1}, config_.patches(), LinearOutput::kFloatAdded);
    at::Tensor stream = model_.parameter("pos_embed").view({n, config_.width}).clone();
    stream[0] += model_.parameter("cls_token").view({config_.width});
    if (config_.distilled) {
      stream[1] += model_.parameter("dist_token").view({config_.width});
    }
    out_.first_stream = Floats(stream);
    for (int64_t b = 0; b < config_.depth; ++b) {
      const std::string path = "blocks." + std::to_string(b);
      LoweredBlock block;
      block.norm1 = Norm(path + ".norm1", {vit::NormId::Kind::kNorm1, b});
      LowerAttention(b, block);
      block.proj = MakeOp({OpKind::kProj, b}, n, LinearOutput::kFloatAdded);
      block.norm2 = Norm(path + ".norm2", {vit::NormId::Kind::kNorm2, b});
      block.fc1 = MakeOp({OpKind::kFc1, b}, n, LinearOutput::kFloat);
      block.fc2 = MakeOp({OpKind::kFc2, b}, n, LinearOutput::kFloatAdded);
      out_.blocks.push_back(std::move(block));
    }
    out_.norm = Norm("norm", {vit::NormId::Kind::kFinal, -1});
    out_.heads.push_back(MakeOp({OpKind::kHead, -1}, 1, LinearOutput::kFloat));
    if (config_.distilled) {
      out_.heads.push_back(MakeOp({OpKind::kHeadDist, -1}, 1, LinearOutput::kFloat));
    }
  }

 private:
  std::optional<QuantParams> Params(const OpId& op, Side side) const {
    const auto it = plan_.operands.find({op, side});
    return it == plan_.operands.end() ? std::nullopt : std::optional<QuantParams>(it->second);
  }

  bool Integer(const OpId& op) const {
    const auto left = Params(op, Side::kLeft);
    const auto right = Params(op, Side::kRight);
    return left && right && FitsBytes(*left) && FitsBytes(*right);
  }

  LoweredNorm Norm(const std::string& path, const vit::NormId& id) const {
    LoweredNorm norm;
    norm.gamma = Floats(model_.parameter(path + ".weight"));
    norm.beta = Floats(model_.parameter(path + ".bias"));
    norm.eps = static_cast<float>(config_.layer_norm_eps);
    const auto it = plan_.norm_inputs.find(id);
    if (it != plan_.norm_inputs.end()) {
      norm.input = it->second;
    }
    return norm;
  }

  void Explain(const OpId& op, bool integer, const std::string& kernel) {
    out_.ops.push_back({op, integer, kernel, vit::ShapeOf(op, config_).multiply_accumulates()});
  }

  // store: of a qkv product that writes codes; asked for only where the op runs in integers.
  LoweredLinear MakeOp(const OpId& op, int64_t rows, LinearOutput output, const StoreAs* store = nullptr) {
    LoweredLinear linear;
    linear.op = op;
    linear.rows = rows;
    const at::Tensor weight = model_.parameter(op.weight_name());
    linear.columns = weight.size(0);
    linear.inner = weight.numel() / weight.size(0);
    if (!Integer(op) || !MakeInteger(weight, output, store, linear)) {
      PTQ_CHECK(store == nullptr) << op.name();
      MakeFloat(weight, output, linear);
    }
    Explain(op, linear.integer, linear.product->kernel());
    return linear;
  }

  // False where float32 cannot hold the folded constants: scales near the ends of its range.
  bool MakeInteger(const at::Tensor& weight, LinearOutput output, const StoreAs* store, LoweredLinear& linear) const {
    const QuantParams& params = plan_.operands.at({linear.op, Side::kRight});
    const at::Tensor codes = quant::Quantize(weight, params).contiguous();
    StoredWeight stored = StoreWeight(params, codes.data_ptr<int32_t>(), linear.columns, linear.inner);
    linear.left = StoreUnsigned(plan_.operands.at({linear.op, Side::kLeft}))[0];
    const std::vector<float> bias = Floats(model_.parameter(linear.op.bias_name()));
    IntegerLinear integer;
    integer.rows = linear.rows;
    integer.inner = linear.inner;
    integer.columns = linear.columns;
    integer.output = output;
    for (int64_t j = 0; j < linear.columns; ++j) {
      const double scale = static_cast<double>(linear.left.scale) * stored.scale[j];
      double sum = bias[j] / scale - static_cast<double>(linear.left.zero) * stored.sums[j];
      double out_scale = scale;
      if (store != nullptr) {
        const CodeMap& map = store->columns[j]->map;
        out_scale *= map.inverse_scale;
        sum += (static_cast<double>(map.offset) + map.zero) / out_scale;
      }
      integer.scale.push_back(static_cast<float>(out_scale));
      integer.bias.push_back(static_cast<float>(sum));
      linear.column_values.push_back(stored.correction[j] - stored.scale[j] * stored.zero[j]);
    }
    if (!AllFinite(integer.scale) || !AllFinite(integer.bias)) {
      linear.column_values.clear();
      return false;
    }
    if (std::all_of(linear.column_values.begin(), linear.column_values.end(), [](float c) { return c == 0; })) {
      linear.column_values.clear();
    }
    if (store != nullptr) {
      integer.output = LinearOutput::kSigned;
      integer.low = store->low;
      integer.high = store->high;
    }
    integer.weight = std::move(stored.codes);
    linear.integer = true;
    linear.product = MakeLinear(integer, out_.set, out_.threads);
    return true;
  }

  void MakeFloat(const at::Tensor& weight, LinearOutput output, LoweredLinear& linear) const {
    linear.float_left = Params(linear.op, Side::kLeft);
    const auto params = Params(linear.op, Side::kRight);
    FloatLinear product;
    product.rows = linear.rows;
    product.inner = linear.inner;
    product.columns = linear.columns;
    product.weight = Floats(params ? quant::FakeQuantize(weight, *params) : weight);
    product.bias = Floats(model_.parameter(linear.op.bias_name()));
    product.output = output;
    linear.product = MakeLinear(product, out_.threads);
  }

  // What qkv's product can write as codes: all of q, k and v, whose stored bounds are the same; and a product that
  // needs no terms of rows.
  std::optional<StoreAs> CodesOfQkv(const OpId& qkv, const LoweredAttention& attention) const {
    if (!Integer(qkv) || !attention.qk_integer || !attention.pv_integer) {
      return std::nullopt;
    }
    const QuantParams& weight = plan_.operands.at({qkv, Side::kRight});
    const auto zero = [](int32_t z) { return z == 0; };
    const bool plain = weight.correction.empty() && quant::LevelOffset(weight.grid) == 0 &&
                       std::all_of(weight.zero_point.begin(), weight.zero_point.end(), zero) &&
                       quant::Codes(weight, 0).qmax <= 127;
    if (!plain) {
      return std::nullopt;
    }
    StoreAs store;
    const int64_t d = config_.head_width();
    for (const std::vector<StoredActivation>* part : {&attention.q, &attention.k, &attention.v}) {
      for (int64_t column = 0; column < config_.width; ++column) {
        const StoredActivation& stored = (*part)[part->size() == 1 ? 0 : column / d];
        const auto low = static_cast<float>(stored.map.low + stored.map.zero);
        const auto high = static_cast<float>(stored.map.high + stored.map.zero);
        if (!store.columns.empty() && (low != store.low || high != store.high)) {
          return std::nullopt;
        }
        store.low = low;
        store.high = high;
        store.columns.push_back(&stored);
      }
    }
    return store;
  }

  void LowerAttention(int64_t b, LoweredBlock& block) {
    const OpId qkv{OpKind::kQkv, b}, qk{OpKind::kQk, b}, pv{OpKind::kPv, b};
    LoweredAttention& attention = block.attention;
    attention.qk_integer = Integer(qk);
    attention.pv_integer = Integer(pv);
    if (attention.qk_integer) {
      attention.q = StoreSigned(*Params(qk, Side::kLeft));
      attention.k = StoreSigned(*Params(qk, Side::kRight));
    } else {
      attention.float_q = Params(qk, Side::kLeft);
      attention.float_k = Params(qk, Side::kRight);
    }
    if (attention.pv_integer) {
      attention.p = StoreNonNegative(*Params(pv, Side::kLeft));
      attention.v = StoreSigned(*Params(pv, Side::kRight));
    } else {
      attention.float_p = Params(pv, Side::kLeft);
      attention.float_v = Params(pv, Side::kRight);
    }
    const std::optional<StoreAs> store = CodesOfQkv(qkv, attention);
    attention.qkv_stores_codes = store.has_value();
    block.qkv = MakeOp(qkv, config_.tokens(), LinearOutput::kFloat, store ? &*store : nullptr);
    MakeSlices(attention);
    Explain(qk, attention.qk_integer, attention.slices[0].qk->kernel());
    Explain(pv, attention.pv_integer, attention.slices[0].pv->kernel());
  }

  void MakeSlices(LoweredAttention& attention) const {
    using Types = HeadProduct::Types;
    const int64_t n = config_.tokens(), d = config_.head_width(), stride = out_.score_stride();
    const int64_t parts = std::min<int64_t>(n, out_.threads / std::gcd<int64_t>(out_.threads, config_.heads));
    for (int64_t part = 0; part < parts; ++part) {
      LoweredAttention::Slice slice;
      slice.begin = n * part / parts;
      slice.end = n * (part + 1) / parts;
      const int64_t rows = slice.end - slice.begin;
      slice.qk = MakeAttention({attention.qk_integer ? Types::kSignedCodes : Types::kFloat, rows, d, n,
                                3 * config_.width, 1, 3 * config_.width, stride},
                               out_.set);
      slice.pv = MakeAttention(
          {attention.pv_integer ? Types::kUnsignedCodes : Types::kFloat, rows, n, d, stride, 3 * config_.width, 1, d},
          out_.set);
      attention.slices.push_back(std::move(slice));
    }
  }

  const vit::VitModel& model_;
  const method::Plan& plan_;
  const vit::VitConfig& config_;
  LoweredModel& out_;
};

}  // namespace

std::unique_ptr<LoweredModel> Lower(const vit::VitModel& model, const method::Plan& plan, InstructionSet set,
                                    int threads) {
  PTQ_CHECK(method::SimulatedOnlyGrids(plan).empty());
  auto lowered = std::make_unique<LoweredModel>();
  lowered->set = set;
  lowered->threads = threads;
  const at::NoGradGuard no_grad;
  Lowering(model, plan, *lowered).Run();
  return lowered;
}

}  // namespace ptq::exec
