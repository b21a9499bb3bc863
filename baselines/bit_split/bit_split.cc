#include "baselines/bit_split/bit_split.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "baselines/bit_split/activation_scale.h"
#include "baselines/bit_split/op_codes.h"
#include "baselines/bit_split/op_recorder.h"

namespace ptq::baselines {
namespace {

using bit_split::OpCodes;
using bit_split::OpRecorder;
using bit_split::OpRows;

struct Settings {
  bool quantized_prefix = true;
  int64_t max_rows = 0;
  int epochs = 0;
  bool reconstruct_head = false;
};

Settings ReadSettings(const method::Parameters& parameters) {
  return {parameters.String("prefix") == "quantized", parameters.Int("max_rows"),
          static_cast<int>(parameters.Int("epochs")), parameters.Bool("reconstruct_head")};
}

// A short name of a text, for keys.
std::string Digest(const std::string& text) { return std::to_string(RandomStream(0, text).NextU64()); }

std::string Text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

// What is decided in one pass over the images: activations that a linear op and the products before it multiply, and
// the linear op's weight.
struct Step {
  std::vector<vit::OperandId> activations;
  std::optional<vit::OpId> linear;
};

// One calibration, from inputs to plan.
class Run {
 public:
  explicit Run(const method::QuantizeInputs& inputs)
      : inputs_(inputs), config_(inputs.model.config()), settings_(ReadSettings(inputs.parameters)) {}

  Result<method::Plan> Quantize() {
    BeginProgress();
    PTQ_RETURN_IF_ERROR(inputs_.calibration.ForEachStage(&prefix_, [&](calib::Stage& stage) -> Status {
      const std::vector<Step> steps = StepsOf(stage);
      targets_.clear();
      for (size_t i = 0; i < steps.size(); ++i) {
        PTQ_RETURN_IF_ERROR(Finish(stage, steps, i));
      }
      return OkStatus();
    }));
    inputs_.progress.End();
    AddNotes();
    return std::move(plan_);
  }

 private:
  std::vector<Step> StepsOf(const calib::Stage& stage) const {
    std::vector<Step> steps(1);
    for (const vit::OpId& op : stage.ops()) {
      for (const vit::Side side : {vit::Side::kLeft, vit::Side::kRight}) {
        const vit::OperandId operand{op, side};
        if (!operand.is_weight() && inputs_.scheme.Covers(operand)) {
          steps.back().activations.push_back(operand);
        }
      }
      if (op.has_weight() && inputs_.scheme.Covers(op)) {
        steps.back().linear = op;
        steps.emplace_back();
      }
    }
    if (steps.back().activations.empty()) {
      steps.pop_back();
    }
    return steps;
  }

  // Progress counts coordinate updates: a weight costs its size times its inputs.
  int64_t Cost(const vit::OpId& op) const {
    const vit::OpShape shape = vit::ShapeOf(op, config_);
    return op.has_weight() ? 1 + shape.inner * shape.inner * shape.columns / 1000000 : 1;
  }

  void BeginProgress() {
    int64_t total = 0;
    for (const vit::OpId& op : vit::AllOps(config_)) {
      total += inputs_.scheme.Covers(op) ? Cost(op) : 0;
    }
    inputs_.progress.Begin("reconstruct", total);
  }

  bool Reconstructs(const vit::OpId& op) const {
    const bool is_head = op.kind == vit::OpKind::kHead || op.kind == vit::OpKind::kHeadDist;
    return !is_head || settings_.reconstruct_head;
  }

  int64_t AvailableRows(const vit::OpId& op) const {
    return vit::ShapeOf(op, config_).rows * inputs_.calibration.image_count();
  }

  RandomStream RowStream(const vit::OpId& op) const { return inputs_.random.Child("rows/" + op.name()); }

  std::vector<int64_t> RowsOf(const vit::OpId& op) const {
    const int64_t available = AvailableRows(op);
    RandomStream stream = RowStream(op);
    return SampleWithoutReplacement(stream, available, std::min(available, settings_.max_rows));
  }

  // All that a weight's codes depend on besides the model and the images.
  std::string WeightKey(const vit::OpId& op) const {
    std::string key = "weight " + op.name() + " W" + std::to_string(inputs_.scheme.weight_bits);
    if (!Reconstructs(op)) {
      return key;
    }
    key += " epochs=" + std::to_string(settings_.epochs) + " rows=";
    if (AvailableRows(op) <= settings_.max_rows) {
      key += "all";
    } else {
      key += std::to_string(settings_.max_rows) + "/" + std::to_string(RowStream(op).NextU64());
    }
    return key + (settings_.quantized_prefix ? " behind=" + behind_ : " on float inputs");
  }

  std::string ActivationKey(const vit::OperandId& operand) const {
    return "activation " + operand.name() + " A" + std::to_string(inputs_.scheme.BitsOf(operand)) +
           " behind=" + behind_;
  }

  Status Finish(calib::Stage& stage, const std::vector<Step>& steps, size_t i) {
    const Step& step = steps[i];
    OpRecorder recorder(prefix_);
    bool pass = false;
    std::vector<vit::OperandId> unknown;
    for (const vit::OperandId& operand : step.activations) {
      PTQ_ASSIGN_OR_RETURN(const bool known, FindActivation(operand));
      if (!known) {
        unknown.push_back(operand);
        recorder.Count(operand);
        pass = true;
      }
    }
    std::optional<OpCodes> codes;
    if (step.linear) {
      inputs_.progress.Detail(step.linear->name());
      PTQ_ASSIGN_OR_RETURN(codes, FindCodes(*step.linear));
      if (!codes && Reconstructs(*step.linear)) {
        PTQ_RETURN_IF_ERROR(RunFloat(stage, steps, i));
        if (settings_.quantized_prefix) {
          recorder.KeepRows(*step.linear, RowsOf(*step.linear), true, false);
          pass = true;
        }
      }
    }
    if (pass) {
      PTQ_RETURN_IF_ERROR(stage.RunBehindPrefix(recorder));
    }
    for (const vit::OperandId& operand : unknown) {
      PTQ_RETURN_IF_ERROR(FitActivation(operand, recorder));
    }
    if (step.linear) {
      if (!codes) {
        PTQ_ASSIGN_OR_RETURN(codes, QuantizeWeight(*step.linear, recorder));
      }
      Place(*step.linear, *codes);
    }
    return Advance(step);
  }

  Status Advance(const Step& step) {
    for (const vit::OperandId& operand : step.activations) {
      if (!operand.op.has_weight() && operand.side == vit::Side::kLeft) {
        inputs_.progress.Advance(Cost(operand.op));
      }
    }
    inputs_.progress.Advance(step.linear ? Cost(*step.linear) : 0);
    return inputs_.progress.stop_requested() ? Status(Interrupted("stopped during the reconstruction")) : OkStatus();
  }

  // The float model's outputs of the stage's ops from step `first` on that reconstruct, in one pass.
  Status RunFloat(calib::Stage& stage, const std::vector<Step>& steps, size_t first) {
    if (targets_.count(*steps[first].linear) != 0) {
      return OkStatus();
    }
    vit::OpEngine float_engine;
    OpRecorder recorder(float_engine);
    std::vector<vit::OpId> ops;
    for (size_t i = first; i < steps.size(); ++i) {
      if (steps[i].linear && Reconstructs(*steps[i].linear)) {
        ops.push_back(*steps[i].linear);
        recorder.KeepRows(ops.back(), RowsOf(ops.back()), !settings_.quantized_prefix, true);
      }
    }
    PTQ_RETURN_IF_ERROR(stage.Run(recorder));
    for (const vit::OpId& op : ops) {
      PTQ_ASSIGN_OR_RETURN(targets_[op], recorder.TakeRows(op));
    }
    return OkStatus();
  }

  Result<bool> FindActivation(const vit::OperandId& operand) {
    PTQ_ASSIGN_OR_RETURN(const std::optional<std::string> kept, inputs_.checkpoint.Find(ActivationKey(operand)));
    if (!kept) {
      return false;
    }
    const nlohmann::json scale = nlohmann::json::parse(*kept, nullptr, false);
    if (!scale.is_number()) {
      return Corrupt(
          "a kept part of the calibration cannot be read; delete the .calibration file beside the database, which "
          "loses time only");
    }
    plan_.operands[operand] = ActivationParams(operand, scale.get<float>());
    return true;
  }

  Status FitActivation(const vit::OperandId& operand, const OpRecorder& recorder) {
    PTQ_ASSIGN_OR_RETURN(const calib::TensorStatistics seen, recorder.Counted(operand));
    quant::QuantParams params = ActivationParams(operand, 1);
    const double bound = std::max(std::abs(static_cast<double>(seen.min())), static_cast<double>(seen.max()));
    const auto magnitudes = bit_split::FromBins(seen.histogram().AbsoluteBins(), seen.histogram().bin_width(), bound);
    const int32_t max_code = quant::Codes(params.grid, params.num_bits).qmax;
    params.scale[0] = static_cast<float>(bit_split::FixedPointScale(magnitudes, max_code));
    plan_.operands[operand] = params;
    return inputs_.checkpoint.Keep(ActivationKey(operand), nlohmann::json(params.scale[0]).dump());
  }

  quant::QuantParams ActivationParams(const vit::OperandId& operand, float scale) const {
    const bool is_softmax = operand.op.kind == vit::OpKind::kPv && operand.side == vit::Side::kLeft;
    quant::QuantParams params;
    params.grid = is_softmax ? quant::Grid::kUnsigned : quant::Grid::kSymmetricRestricted;
    params.num_bits = inputs_.scheme.BitsOf(operand);
    params.scale = {scale};
    params.zero_point = {0};
    return params;
  }

  Result<std::optional<OpCodes>> FindCodes(const vit::OpId& op) {
    PTQ_ASSIGN_OR_RETURN(const std::optional<std::string> kept, inputs_.checkpoint.Find(WeightKey(op)));
    if (!kept) {
      return std::optional<OpCodes>();
    }
    const vit::OpShape shape = vit::ShapeOf(op, config_);
    PTQ_ASSIGN_OR_RETURN(OpCodes codes,
                         bit_split::DecodeCodes(*kept, shape.columns, shape.inner, inputs_.scheme.weight_bits));
    return std::optional<OpCodes>(std::move(codes));
  }

  Result<OpCodes> QuantizeWeight(const vit::OpId& op, OpRecorder& recorder) {
    const at::Tensor parameter = inputs_.model.parameter(op.weight_name()).contiguous();
    const at::Tensor weight = parameter.view({parameter.size(0), -1});
    if (!at::isfinite(weight).all().item<bool>()) {
      return InvalidArgument("contains a NaN or an infinity", vit::OperandId{op, vit::Side::kRight}.name());
    }
    const int bits = inputs_.scheme.weight_bits;
    const int threads = at::get_num_threads();
    OpCodes codes;
    if (Reconstructs(op)) {
      OpRows rows = std::move(targets_.at(op));
      targets_.erase(op);
      if (settings_.quantized_prefix) {
        PTQ_ASSIGN_OR_RETURN(const OpRows behind, recorder.TakeRows(op));
        rows.input = behind.input;
      }
      PTQ_ASSIGN_OR_RETURN(
          codes, bit_split::ReconstructedCodes(weight, rows, bits, {settings_.epochs, threads, [this] {
                                                                      return inputs_.progress.stop_requested();
                                                                    }}));
    } else {
      codes = bit_split::CodesOfWeight(weight, bits, threads);
    }
    PTQ_RETURN_IF_ERROR(inputs_.checkpoint.Keep(WeightKey(op), bit_split::Encode(codes)));
    return codes;
  }

  // Into the plan and into the network that the ops behind see.
  void Place(const vit::OpId& op, const OpCodes& codes) {
    const at::Tensor weight = codes.Weight();
    const std::string key = WeightKey(op);
    plan_.operands[{op, vit::Side::kRight}] = codes.Params();
    plan_.replaced_parameters[op.weight_name()] =
        vit::FromTorch(weight.view(inputs_.model.parameter(op.weight_name()).sizes()));
    prefix_.Set(op, weight);
    behind_ = Digest(behind_ + key);
    if (Reconstructs(op)) {
      ++reconstructed_;
      error_before_ += codes.error_before;
      error_after_ += codes.error_after;
      rows_ += static_cast<int64_t>(codes.scale.size());
      settled_rows_ += codes.settled_rows;
      epochs_ = std::max(epochs_, codes.epochs);
    }
  }

  void AddNotes() {
    if (reconstructed_ > 0) {
      plan_.notes["output_error_before"] = Text(error_before_ / static_cast<double>(reconstructed_));
      plan_.notes["output_error"] = Text(error_after_ / static_cast<double>(reconstructed_));
      plan_.notes["epochs"] = std::to_string(epochs_);
      plan_.notes["settled_rows"] = std::to_string(settled_rows_) + " of " + std::to_string(rows_);
    }
  }

  const method::QuantizeInputs& inputs_;
  const vit::VitConfig& config_;
  const Settings settings_;
  bit_split::ReplacedWeights prefix_;
  std::string behind_;                   // names the replaced weights that a later op's inputs come from behind
  std::map<vit::OpId, OpRows> targets_;  // of the stage's ops that are still to be done
  int64_t reconstructed_ = 0, rows_ = 0, settled_rows_ = 0, epochs_ = 0;
  double error_before_ = 0, error_after_ = 0;
  method::Plan plan_;
};

class BitSplit final : public method::Method {
 public:
  BitSplit() {
    info_.id = "bit_split";
    info_.summary =
        "Weights in bit planes that reconstruct each layer's output, row by row; activations by least squares.";
    info_.citation =
        "Wang et al., Towards Accurate Post-training Network Quantization via Bit-Split and Stitching, ICML 2020";
    info_.published_as = "Bit-Split";
    info_.parameters = {
        {"prefix",
         std::string("quantized"),
         "the network whose activations a weight is reconstructed on: with the weights before it quantized (the "
         "paper), "
         "or float (what the released script does)",
         {},
         {},
         {"quantized", "float"}},
        {"max_rows",
         int64_t{12000},
         "token rows that a weight is reconstructed on, drawn at random where there are more; 12000 in the release",
         1,
         10000000,
         {}},
        {"epochs",
         int64_t{100},
         "passes over all digits of a weight in output reconstruction; 100 in the release",
         1,
         10000,
         {}},
        {"reconstruct_head",
         false,
         "whether the classifier's weight is reconstructed as well; not in the release",
         {},
         {},
         {}},
    };
  }

  const method::MethodInfo& info() const override { return info_; }

  Status Supports(const method::Scheme& scheme, const method::Parameters&, const vit::VitConfig&) const override {
    if (scheme.weight_granularity != quant::Granularity::kPerChannel) {
      return Unsupported("bit_split has a scale for each output row of a weight; ask for per_channel weights");
    }
    if (scheme.weight_bits < bit_split::kMinWeightBits) {
      return Unsupported("bit_split splits a weight into its bits after the sign and needs at least 3 bits");
    }
    return OkStatus();
  }

  Result<method::Plan> Quantize(const method::QuantizeInputs& inputs) const override { return Run(inputs).Quantize(); }

 private:
  method::MethodInfo info_;
};

}  // namespace

std::unique_ptr<method::Method> MakeBitSplit() { return std::make_unique<BitSplit>(); }

}  // namespace ptq::baselines
