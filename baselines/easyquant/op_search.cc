#include "baselines/easyquant/op_search.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "core/method/kept_params.h"
#include "core/quant/range.h"
#include "core/search/entropy_threshold.h"

namespace ptq::baselines::easyquant {
namespace {

using nlohmann::json;

constexpr int kStandInBits = 12;  // for an operand that stays in float: steps of a two-thousandth of its largest value

search::OpSample SampleOf(const calib::CapturedOp& captured) {
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
  return sample;
}

std::string ToKept(const Intervals& found) {
  return json{{"left", found.left.scale}, {"right", found.right.scale}, {"initial_score", found.initial_score},
              {"score", found.score},     {"rounds", found.rounds},     {"evaluations", found.evaluations}}
      .dump();
}

quant::QuantParams WithScales(quant::Grid grid, int num_bits, bool of_rows, std::vector<float> scale) {
  quant::QuantParams params;
  params.grid = grid;
  params.num_bits = num_bits;
  params.granularity = of_rows ? quant::Granularity::kPerChannel : quant::Granularity::kPerTensor;
  params.axis = of_rows ? 0 : -1;
  params.zero_point.assign(scale.size(), 0);
  params.scale = std::move(scale);
  return params;
}

}  // namespace

bool OpSearcher::LeftStaysFloat(const vit::OpId& op) const {
  return !inputs_.scheme.Covers(vit::OperandId{op, vit::Side::kLeft});
}

bool OpSearcher::HasRowScales(const vit::OpId& op) const {
  return op.has_weight() &&
         (op.kind == vit::OpKind::kQkv || inputs_.scheme.weight_granularity == quant::Granularity::kPerChannel);
}

std::string OpSearcher::Key(const vit::OpId& op, const std::string& prefix) const {
  const vit::OperandId left{op, vit::Side::kLeft};
  const vit::OperandId right{op, vit::Side::kRight};
  return "easyquant " + op.name() +
         " left=" + (LeftStaysFloat(op) ? "float" : std::to_string(inputs_.scheme.BitsOf(left))) +
         " right=" + std::to_string(inputs_.scheme.BitsOf(right)) +
         (op.has_weight() ? std::string(" ") + quant::Name(inputs_.scheme.weight_granularity) : "") + " " +
         settings_.SearchText() + " behind=" + prefix;
}

Result<Intervals> OpSearcher::Find(const vit::OpId& op, const std::string& prefix,
                                   const std::function<Result<calib::CapturedOp>()>& capture) const {
  const std::string key = Key(op, prefix);
  inputs_.progress.Detail(op.name());
  PTQ_ASSIGN_OR_RETURN(const std::optional<std::string> kept, inputs_.checkpoint.Find(key));
  if (kept) {
    return FromKept(op, *kept);
  }
  PTQ_ASSIGN_OR_RETURN(const calib::CapturedOp captured, capture());
  PTQ_ASSIGN_OR_RETURN(const Intervals found, Search(captured));
  PTQ_RETURN_IF_ERROR(inputs_.checkpoint.Keep(key, ToKept(found)));
  return found;
}

Result<Intervals> OpSearcher::FromKept(const vit::OpId& op, const std::string& text) const {
  const vit::OperandId left{op, vit::Side::kLeft};
  const vit::OperandId right{op, vit::Side::kRight};
  PTQ_ASSIGN_OR_RETURN(const json root, method::ReadKept(text));
  try {
    Intervals found;
    found.left = WithScales(GridOf(left), LeftStaysFloat(op) ? kStandInBits : inputs_.scheme.BitsOf(left), false,
                            root.at("left").get<std::vector<float>>());
    found.right = WithScales(GridOf(right), inputs_.scheme.BitsOf(right), HasRowScales(op),
                             root.at("right").get<std::vector<float>>());
    found.initial_score = root.at("initial_score").get<double>();
    found.score = root.at("score").get<double>();
    found.rounds = root.at("rounds").get<int64_t>();
    found.evaluations = root.at("evaluations").get<int64_t>();
    PTQ_RETURN_IF_ERROR(quant::Validate(found.left));
    PTQ_RETURN_IF_ERROR(quant::Validate(found.right));
    return found;
  } catch (const json::exception& fault) {
    return method::CorruptKeptPart(fault.what());
  }
}

// The clip where the search begins; a stand-in covers everything.
Result<quant::QuantParams> OpSearcher::InitialActivation(const at::Tensor& x, const vit::OperandId& operand) const {
  calib::TensorStatistics seen({}, inputs_.random.Child(operand.name()));
  const Status added = seen.Add(x);
  if (!added.ok()) {
    return Error{added.error().code, added.error().message, operand.name()};
  }
  const quant::Grid grid = GridOf(operand);
  const bool stands_in = !inputs_.scheme.Covers(operand);
  const int num_bits = stands_in ? kStandInBits : inputs_.scheme.BitsOf(operand);
  double clip = std::max(std::abs(static_cast<double>(seen.min())), static_cast<double>(seen.max()));
  if (!stands_in && settings_.init != ActivationInit::kMaximum) {
    const int level_bits = settings_.init == ActivationInit::kEntropyOf8Bits ? std::max(num_bits, 8) : num_bits;
    search::EntropyOptions options;
    options.drop_zero_bin = true;
    clip = search::EntropyClip(seen.histogram().AbsoluteBins(), seen.histogram().bin_width(), clip,
                               search::EntropyGroups(grid, level_bits), options);
  }
  const auto bound = static_cast<float>(clip);
  return quant::ParamsFromRange(grid, num_bits, {grid == quant::Grid::kUnsigned ? 0 : -bound}, {bound});
}

// The whole range of each row, of each third of a fused qkv, or of the tensor.
Result<quant::QuantParams> OpSearcher::InitialWeight(const at::Tensor& weight, const vit::OpId& op) const {
  const vit::OperandId operand{op, vit::Side::kRight};
  const quant::Granularity granularity = inputs_.scheme.weight_granularity;
  const bool in_thirds = op.kind == vit::OpKind::kQkv && granularity == quant::Granularity::kPerTensor;
  const int64_t rows = weight.size(0) / (in_thirds ? 3 : 1);
  std::vector<float> scale;
  for (int64_t first = 0; first < weight.size(0); first += rows) {
    const Result<quant::Range> range = quant::RangeOf(weight.narrow(0, first, rows), granularity);
    if (!range.ok()) {
      return Error{range.error().code, range.error().message, operand.name()};
    }
    PTQ_ASSIGN_OR_RETURN(const quant::QuantParams params,
                         quant::WeightParams(GridOf(operand), inputs_.scheme.BitsOf(operand), granularity, *range));
    for (int64_t row = 0; row < (in_thirds ? rows : 1); ++row) {
      scale.insert(scale.end(), params.scale.begin(), params.scale.end());
    }
  }
  return WithScales(GridOf(operand), inputs_.scheme.BitsOf(operand), HasRowScales(op), std::move(scale));
}

Result<Intervals> OpSearcher::Search(const calib::CapturedOp& captured) const {
  const vit::OpId& op = captured.op;
  PTQ_ASSIGN_OR_RETURN(const quant::QuantParams left, InitialActivation(captured.left, {op, vit::Side::kLeft}));
  PTQ_ASSIGN_OR_RETURN(
      const quant::QuantParams right,
      op.has_weight() ? InitialWeight(captured.right, op) : InitialActivation(captured.right, {op, vit::Side::kRight}));
  search::CosineOptions options;
  options.metric = settings_.metric;
  options.domain = settings_.domain;
  options.per_column = op.has_weight() && inputs_.scheme.weight_granularity == quant::Granularity::kPerChannel;
  options.right_parts = op.kind == vit::OpKind::kQkv && !options.per_column ? 3 : 1;
  search::CosineObjective objective(SampleOf(captured), options, at::get_num_threads(),
                                    [this] { return inputs_.progress.stop_requested(); });
  const std::vector<quant::QuantParams> lefts =
      LeftStaysFloat(op) ? std::vector<quant::QuantParams>{left} : Candidates(left, settings_.activations);
  const std::vector<quant::QuantParams> rights =
      Candidates(right, op.has_weight() ? settings_.weights : settings_.activations);
  return SearchRounds(objective, lefts, rights, settings_.max_rounds);
}

}  // namespace ptq::baselines::easyquant
