#include "core/liu/liu.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/allocate/allocate.h"
#include "core/calib/op_capture.h"
#include "core/liu/op_search.h"
#include "core/liu/sensitivity.h"
#include "core/liu/settings.h"
#include "core/method/fake_quant_engine.h"
#include "core/method/kept_params.h"
#include "core/quant/fake_quant.h"

namespace ptq::liu {
namespace {

// Captures an op once, when first asked.
class LazyCapture {
 public:
  LazyCapture(calib::Stage& stage, const vit::OpId& op, const vit::VitModel& model, vit::OpEngine* prefix)
      : stage_(stage), op_(op), model_(model), prefix_(prefix) {}

  Result<const calib::CapturedOp*> Get() {
    if (!captured_) {
      PTQ_ASSIGN_OR_RETURN(captured_, calib::CaptureOp(stage_, op_, model_, prefix_));
    }
    return &*captured_;
  }

 private:
  calib::Stage& stage_;
  const vit::OpId op_;
  const vit::VitModel& model_;
  vit::OpEngine* prefix_;
  std::optional<calib::CapturedOp> captured_;
};

// The original bias less the mean error of each output channel over images and tokens (Eq. 16).
std::vector<float> CorrectedBias(const calib::CapturedOp& captured, const FoundOp& found, const at::Tensor& bias) {
  const at::NoGradGuard no_grad;
  const at::Tensor weight = quant::FakeQuantize(captured.right, found.right);
  at::Tensor error = at::zeros({weight.size(0)}, at::kDouble);
  for (int64_t i = 0; i < captured.left.size(0); ++i) {
    const at::Tensor product = at::matmul(quant::FakeQuantize(captured.left[i], found.left), weight.t());
    error += (product - captured.output[i]).sum(0, false, at::kDouble);
  }
  error /= static_cast<double>(captured.left.size(0) * captured.left.size(1));
  const at::Tensor corrected = (bias.to(at::kDouble) - error).to(at::kFloat).contiguous();
  return {corrected.data_ptr<float>(), corrected.data_ptr<float>() + corrected.numel()};
}

// A short name of a text, for keys; the 64 bits of a random stream's name.
std::string Digest(const std::string& text) { return std::to_string(RandomStream(0, text).NextU64()); }

// One calibration, from inputs to plan.
class Run {
 public:
  explicit Run(const method::QuantizeInputs& inputs)
      : inputs_(inputs),
        config_(inputs.model.config()),
        settings_(ReadSettings(inputs.parameters)),
        searcher_(settings_, inputs),
        prefix_(inputs.model),
        groups_(Groups(config_, inputs.scheme, settings_)) {}

  Result<method::Plan> Quantize() {
    BeginProgress();
    if (inputs_.scheme.mixed) {
      PTQ_RETURN_IF_ERROR(SetBudget());
      PTQ_RETURN_IF_ERROR(MeasureSensitivities());
      PTQ_RETURN_IF_ERROR(Allocate());
    }
    vit::OpEngine* prefix = settings_.sequential ? &prefix_ : nullptr;
    PTQ_RETURN_IF_ERROR(inputs_.calibration.ForEachStage(prefix, [&](calib::Stage& stage) -> Status {
      for (const vit::OpId& op : stage.ops()) {
        if (inputs_.scheme.Covers(op)) {
          PTQ_RETURN_IF_ERROR(FinishOp(stage, op));
        }
      }
      return OkStatus();
    }));
    inputs_.progress.End();
    return std::move(plan_);
  }

 private:
  std::vector<int> CandidateBits() const {
    if (!settings_.candidate_bits.empty()) {
      return settings_.candidate_bits;
    }
    const int target = inputs_.scheme.weight_bits;
    std::vector<int> bits;
    for (int b = std::max(target - 2, quant::kMinBits); b <= std::min(target + 2, quant::kMaxBits); ++b) {
      bits.push_back(b);
    }
    return bits;
  }

  // The widths of an op: its group's, or the target.
  OpBits BitsOf(const vit::OpId& op) const {
    const auto chosen = chosen_bits_.find(op);
    return chosen != chosen_bits_.end()
               ? OpBits{chosen->second, chosen->second}
               : OpBits{inputs_.scheme.weight_bits, inputs_.scheme.BitsOf(vit::OperandId{op, vit::Side::kLeft})};
  }

  // A step is about a ten-thousandth of the arithmetic of one pass over all ops.
  int64_t Steps(const vit::OpId& op) const {
    return 1 + 10000 * vit::ShapeOf(op, config_).multiply_accumulates() / std::max<int64_t>(1, total_macs_);
  }

  void BeginProgress() {
    int64_t steps = 0;
    for (const vit::OpId& op : vit::AllOps(config_)) {
      total_macs_ += inputs_.scheme.Covers(op) ? vit::ShapeOf(op, config_).multiply_accumulates() : 0;
    }
    for (const vit::OpId& op : vit::AllOps(config_)) {
      steps += inputs_.scheme.Covers(op) ? Steps(op) : 0;
    }
    if (inputs_.scheme.mixed) {
      for (const Group& group : groups_) {
        for (const vit::OpId& op : group.upstream) {
          steps += Steps(op) * static_cast<int64_t>(CandidateBits().size());
        }
      }
    }
    inputs_.progress.Begin("search", steps);
  }

  Status Advance(const vit::OpId& op) {
    inputs_.progress.Advance(Steps(op));
    return inputs_.progress.stop_requested() ? Status(Interrupted("stopped during the interval search")) : OkStatus();
  }

  // The op's intervals, its corrected bias, and both in the plan.
  Status FinishOp(calib::Stage& stage, const vit::OpId& op) {
    LazyCapture capture(stage, op, inputs_.model, settings_.sequential ? &prefix_ : nullptr);
    const OpBits bits = BitsOf(op);
    PTQ_ASSIGN_OR_RETURN(const FoundOp found, searcher_.Find(op, bits, behind_, [&] { return capture.Get(); }));
    const vit::OperandId left{op, vit::Side::kLeft};
    const vit::OperandId right{op, vit::Side::kRight};
    plan_.operands[left] = found.left;
    plan_.operands[right] = found.right;
    std::vector<float> bias;
    if (settings_.bias_correction && op.has_weight()) {
      PTQ_ASSIGN_OR_RETURN(bias, FindBias(op, bits, found, capture));
      plan_.replaced_parameters[op.bias_name()] = vit::MakeTensor(bias, {static_cast<int64_t>(bias.size())});
    }
    if (settings_.sequential) {
      prefix_.Set(left, found.left);
      prefix_.Set(right, found.right);
      if (!bias.empty()) {
        prefix_.SetBias(op, at::tensor(bias));
      }
      behind_ = Digest(behind_ + searcher_.Key(op, bits, behind_) + (bias.empty() ? "" : " corrected"));
    }
    return Advance(op);
  }

  Result<std::vector<float>> FindBias(const vit::OpId& op, OpBits bits, const FoundOp& found, LazyCapture& capture) {
    const std::string key = "bias " + searcher_.Key(op, bits, behind_);
    PTQ_ASSIGN_OR_RETURN(const std::optional<std::string> kept, inputs_.checkpoint.Find(key));
    if (kept) {
      PTQ_ASSIGN_OR_RETURN(const nlohmann::json values, method::ReadKept(*kept));
      return values.get<std::vector<float>>();
    }
    PTQ_ASSIGN_OR_RETURN(const calib::CapturedOp* captured, capture.Get());
    std::vector<float> bias = CorrectedBias(*captured, found, inputs_.model.parameter(op.bias_name()));
    PTQ_RETURN_IF_ERROR(inputs_.checkpoint.Keep(key, nlohmann::json(bias).dump()));
    return bias;
  }

  // Sizes, and an early answer to a budget that nothing meets: whatever the sensitivities, the smallest model must fit.
  Status SetBudget() {
    const int target = inputs_.scheme.weight_bits;
    method::Plan uniform;
    for (const vit::OperandId& operand : method::CoveredOperands(inputs_.scheme, config_)) {
      if (operand.is_weight()) {
        uniform.operands[operand].num_bits = target;
      }
    }
    const double uniform_bytes = method::SizeUnder(uniform, config_).paper_bytes;
    problem_.candidate_bits = CandidateBits();
    problem_.target_bits = target;
    problem_.budget_bytes = uniform_bytes * (1 + settings_.size_tolerance);
    problem_.other_bytes = uniform_bytes;
    allocate::Problem indifferent = problem_;
    for (const Group& group : groups_) {
      problem_.other_bytes -= static_cast<double>(group.parameters * target) / 8;
      indifferent.groups.push_back({group.name, Name(group.kind), group.parameters, 0,
                                    std::vector<double>(problem_.candidate_bits.size(), 0.0)});
    }
    indifferent.other_bytes = problem_.other_bytes;
    const Result<method::BitAllocation> possible = allocate::Allocate(indifferent, settings_.rule);
    if (!possible.ok()) {
      return Error{possible.error().code, possible.error().message + " (size_tolerance, candidate_bits)",
                   possible.error().where};
    }
    return OkStatus();
  }

  // Fills problem_.groups: every group alone, quantized at every candidate width, on float inputs.
  Status MeasureSensitivities() {
    return inputs_.calibration.ForEachStage(nullptr, [&](calib::Stage& stage) -> Status {
      for (const Group& group : groups_) {
        if (std::find(stage.ops().begin(), stage.ops().end(), group.ops[0]) != stage.ops().end()) {
          PTQ_RETURN_IF_ERROR(MeasureGroup(stage, group));
        }
      }
      return OkStatus();
    });
  }

  Status MeasureGroup(calib::Stage& stage, const Group& group) {
    std::map<vit::OperandId, std::vector<quant::QuantParams>> operands;  // one per candidate width
    std::string keys;
    for (const vit::OpId& op : group.upstream) {
      LazyCapture capture(stage, op, inputs_.model, nullptr);
      for (const int bits : problem_.candidate_bits) {
        PTQ_ASSIGN_OR_RETURN(const FoundOp found, searcher_.Find(op, {bits, bits}, "", [&] { return capture.Get(); }));
        operands[{op, vit::Side::kLeft}].push_back(found.left);
        operands[{op, vit::Side::kRight}].push_back(found.right);
        keys += searcher_.Key(op, {bits, bits}, "") + "\n";
        PTQ_RETURN_IF_ERROR(Advance(op));
      }
    }
    method::BitAllocation::Group& measured = problem_.groups.emplace_back();
    measured.name = group.name;
    measured.kind = Name(group.kind);
    measured.parameters = group.parameters;
    const std::string key = "omega " + group.name + SensitivityText(inputs_.parameters) + " of " + Digest(keys);
    PTQ_ASSIGN_OR_RETURN(const std::optional<std::string> kept, inputs_.checkpoint.Find(key));
    if (kept) {
      PTQ_ASSIGN_OR_RETURN(const nlohmann::json root, method::ReadKept(*kept));
      measured.nuclear_norm = root.at("nuclear_norm").get<double>();
      measured.omega = root.at("omega").get<std::vector<double>>();
      return OkStatus();
    }
    inputs_.progress.Detail(group.name + " sensitivity");
    vit::OpEngine float_engine;
    PTQ_ASSIGN_OR_RETURN(const at::Tensor y, GroupOutput(stage, group, config_, settings_, float_engine));
    PTQ_ASSIGN_OR_RETURN(measured.nuclear_norm, NuclearNorm(y, group.name));
    const double squared_norm = SquaredNorm(y);
    for (size_t c = 0; c < problem_.candidate_bits.size(); ++c) {
      method::FakeQuantEngine engine(inputs_.model);
      for (const auto& [operand, candidates] : operands) {
        engine.Set(operand, candidates[c]);
      }
      PTQ_ASSIGN_OR_RETURN(const at::Tensor y_hat, GroupOutput(stage, group, config_, settings_, engine));
      measured.omega.push_back(Omega(settings_, measured.nuclear_norm, SquaredNorm(y_hat - y), squared_norm));
    }
    return inputs_.checkpoint.Keep(
        key, nlohmann::json{{"nuclear_norm", measured.nuclear_norm}, {"omega", measured.omega}}.dump());
  }

  Status Allocate() {
    PTQ_ASSIGN_OR_RETURN(const method::BitAllocation allocation, allocate::Allocate(problem_, settings_.rule));
    for (size_t g = 0; g < groups_.size(); ++g) {
      for (const vit::OpId& op : groups_[g].ops) {
        chosen_bits_[op] = allocation.choice().bits[g];
      }
    }
    plan_.allocation = allocation;
    return OkStatus();
  }

  const method::QuantizeInputs& inputs_;
  const vit::VitConfig& config_;
  const Settings settings_;
  OpSearcher searcher_;
  method::FakeQuantEngine prefix_;
  std::string behind_;  // names the quantized ops that sequential calibration has behind it
  const std::vector<Group> groups_;
  allocate::Problem problem_;
  std::map<vit::OpId, int> chosen_bits_;
  int64_t total_macs_ = 0;
  method::Plan plan_;
};

class Liu final : public method::Method {
 public:
  Liu() {
    info_.id = "liu";
    info_.summary =
        "Similarity- and ranking-aware interval search with bias correction and nuclear-norm mixed precision.";
    info_.citation = "Liu et al., Post-Training Quantization for Vision Transformer, NeurIPS 2021";
    info_.published_as = "Liu2021";
    info_.parameters = ParameterSpecs();
    info_.mixes_bits = true;
  }

  const method::MethodInfo& info() const override { return info_; }

  Status Supports(const method::Scheme& scheme, const method::Parameters& parameters,
                  const vit::VitConfig&) const override {
    if (scheme.Covers(vit::OpId{vit::OpKind::kPatchEmbed, -1}) &&
        !scheme.Covers(vit::OperandId{{vit::OpKind::kPatchEmbed, -1}, vit::Side::kLeft})) {
      return Unsupported("liu searches both intervals of an op; it cannot leave the patch embedding's input in float");
    }
    const Settings settings = ReadSettings(parameters);
    if (settings.ranking && settings.rank_projection && !settings.separate_qkv) {
      return Unsupported("ranking_ops = qk_and_qkv ranks W^Q and W^K apart; it needs qkv_intervals = separate");
    }
    return OkStatus();
  }

  Result<method::Plan> Quantize(const method::QuantizeInputs& inputs) const override { return Run(inputs).Quantize(); }

 private:
  method::MethodInfo info_;
};

}  // namespace

std::unique_ptr<method::Method> MakeLiu() { return std::make_unique<Liu>(); }

}  // namespace ptq::liu
