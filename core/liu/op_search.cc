#include "core/liu/op_search.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>

#include "core/method/kept_params.h"
#include "core/quant/range.h"

namespace ptq::liu {
namespace {

using nlohmann::json;

std::string ToJson(const FoundOp& found) {
  return json{{"left", method::ToKept(found.left)}, {"right", method::ToKept(found.right)}}.dump();
}

Result<FoundOp> FoundOpFromJson(const std::string& text) {
  PTQ_ASSIGN_OR_RETURN(const json root, method::ReadKept(text));
  try {
    FoundOp found;
    PTQ_ASSIGN_OR_RETURN(found.left, method::ParamsFromKept(root.at("left")));
    PTQ_ASSIGN_OR_RETURN(found.right, method::ParamsFromKept(root.at("right")));
    return found;
  } catch (const json::exception& fault) {
    return method::CorruptKeptPart(fault.what());
  }
}

// A calibration that shows an op nothing but one value cannot choose an interval for it.
Status CheckVaries(const at::Tensor& x, const vit::OperandId& operand) {
  const float first = x.data_ptr<float>()[0];
  if (x.numel() > 1 && at::eq(x, first).all().item<bool>()) {
    return InvalidArgument("every value is " + method::ToString(method::ParameterValue(static_cast<double>(first))) +
                               " over all calibration images: the pictures are blank, or the layer before it is dead",
                           operand.name());
  }
  return OkStatus();
}

// Parts of a weight as one: a scale for each output row.
quant::QuantParams JoinParts(const std::vector<quant::QuantParams>& parts, int64_t rows_of_part) {
  if (parts.size() == 1) {
    return parts[0];
  }
  quant::QuantParams joined = parts[0];
  joined.granularity = quant::Granularity::kPerChannel;
  joined.axis = 0;
  joined.scale.clear();
  joined.zero_point.clear();
  for (const quant::QuantParams& part : parts) {
    for (int64_t row = 0; row < rows_of_part; ++row) {
      joined.scale.push_back(part.scale[part.scale.size() == 1 ? 0 : row]);
      joined.zero_point.push_back(0);
    }
  }
  return joined;
}

// The interval that covers all of x, per tensor or per row.
Result<quant::QuantParams> InitialParams(const at::Tensor& x, quant::Grid grid, int num_bits,
                                         quant::Granularity granularity, InitialInterval rule) {
  PTQ_ASSIGN_OR_RETURN(const quant::Range range, quant::RangeOf(x, granularity));
  PTQ_ASSIGN_OR_RETURN(quant::QuantParams params, quant::WeightParams(grid, num_bits, granularity, range));
  const double max_code = std::exp2(num_bits - 1) - 1;
  if (grid == quant::Grid::kAffine || rule == InitialInterval::kMaxCode) {
    return params;
  }
  return search::Scaled(params, max_code / (rule == InitialInterval::kHalfLevels ? max_code + 1 : max_code + 0.5));
}

search::OpSample SampleOf(const calib::CapturedOp& captured) {
  search::OpSample sample;
  const at::Tensor& left = captured.left;
  sample.images = left.size(0);
  sample.shared_right = captured.op.has_weight();
  sample.heads = sample.shared_right ? 1 : left.size(1);
  sample.rows = left.size(-2);
  sample.inner = left.size(-1);
  sample.columns = captured.right.size(-2);
  sample.left = left.data_ptr<float>();
  sample.right = captured.right.data_ptr<float>();
  sample.target = captured.output.data_ptr<float>();
  return sample;
}

}  // namespace

OpSearcher::OpSearcher(const Settings& settings, const method::QuantizeInputs& inputs)
    : settings_(settings), inputs_(inputs) {}

bool OpSearcher::Ranks(const vit::OpId& op) const {
  return settings_.ranking &&
         (op.kind == vit::OpKind::kQk || (op.kind == vit::OpKind::kQkv && settings_.rank_projection));
}

std::string OpSearcher::Key(const vit::OpId& op, OpBits bits, const std::string& prefix) const {
  const std::string width = op.has_weight() ? "W" + std::to_string(bits.weight) : "";
  return "search " + op.name() + " " + width + "A" + std::to_string(bits.activation) +
         (op.has_weight() ? std::string(" ") + quant::Name(inputs_.scheme.weight_granularity) : "") +
         SearchText(inputs_.parameters, op, Ranks(op)) + " behind=" + prefix;
}

Result<FoundOp> OpSearcher::Find(const vit::OpId& op, OpBits bits, const std::string& prefix,
                                 const std::function<Result<const calib::CapturedOp*>()>& capture) {
  const std::string key = Key(op, bits, prefix);
  inputs_.progress.Detail(op.name() + " W" + std::to_string(bits.weight) + "A" + std::to_string(bits.activation));
  const auto known = known_.find(key);
  if (known != known_.end()) {
    return known->second;
  }
  PTQ_ASSIGN_OR_RETURN(const std::optional<std::string> kept, inputs_.checkpoint.Find(key));
  if (kept) {
    PTQ_ASSIGN_OR_RETURN(known_[key], FoundOpFromJson(*kept));
    return known_[key];
  }
  PTQ_ASSIGN_OR_RETURN(const calib::CapturedOp* captured, capture());
  PTQ_ASSIGN_OR_RETURN(const FoundOp found, Search(*captured, bits));
  PTQ_RETURN_IF_ERROR(inputs_.checkpoint.Keep(key, ToJson(found)));
  known_[key] = found;
  return found;
}

Result<FoundOp> OpSearcher::Search(const calib::CapturedOp& captured, OpBits bits) const {
  const vit::OpId& op = captured.op;
  const vit::OperandId left{op, vit::Side::kLeft};
  const vit::OperandId right{op, vit::Side::kRight};
  PTQ_RETURN_IF_ERROR(CheckVaries(captured.left, left));
  if (!op.has_weight()) {
    PTQ_RETURN_IF_ERROR(CheckVaries(captured.right, right));
  }
  search::OpSample sample = SampleOf(captured);
  search::ObjectiveOptions options;
  options.similarity = settings_.similarity;
  options.corrected = settings_.corrected && op.has_weight();
  options.right_parts = op.kind == vit::OpKind::kQkv && settings_.separate_qkv ? 3 : 1;
  if (Ranks(op)) {
    options.ranking = settings_.ranking_options;
    options.ranking->score_factor = 1.0 / std::sqrt(static_cast<double>(inputs_.model.config().head_width()));
    options.ranking->projection_heads = op.kind == vit::OpKind::kQkv ? inputs_.model.config().heads : 0;
  }
  const at::Tensor bias = op.has_weight() ? inputs_.model.parameter(op.bias_name()).contiguous() : at::Tensor();
  sample.bias = op.has_weight() ? bias.data_ptr<float>() : nullptr;

  search::OpIntervals initial;
  PTQ_ASSIGN_OR_RETURN(initial.left, InitialParams(captured.left, settings_.act_grid, bits.Of(left),
                                                   quant::Granularity::kPerTensor, settings_.initial_interval));
  const int64_t rows_of_part = sample.columns / options.right_parts;
  for (int64_t part = 0; part < options.right_parts; ++part) {
    const at::Tensor values =
        op.has_weight() ? captured.right.narrow(0, part * rows_of_part, rows_of_part) : captured.right;
    PTQ_ASSIGN_OR_RETURN(
        quant::QuantParams params,
        InitialParams(values, op.has_weight() ? settings_.weight_grid : settings_.act_grid, bits.Of(right),
                      op.has_weight() ? inputs_.scheme.weight_granularity : quant::Granularity::kPerTensor,
                      settings_.initial_interval));
    initial.right.push_back(std::move(params));
  }
  search::OpObjective objective(sample, options, at::get_num_threads(),
                                [this] { return inputs_.progress.stop_requested(); });
  PTQ_ASSIGN_OR_RETURN(const search::SearchOutcome outcome,
                       search::AlternatingSearch(objective, initial, settings_.search));
  return FoundOp{outcome.intervals.left, JoinParts(outcome.intervals.right, rows_of_part)};
}

}  // namespace ptq::liu
