#include "baselines/easyquant/easyquant.h"

#include <algorithm>
#include <cstdio>

#include "baselines/easyquant/op_search.h"
#include "baselines/easyquant/settings.h"
#include "core/method/fake_quant_engine.h"
#include "core/quant/int16_accumulation.h"

namespace ptq::baselines {
namespace {

using easyquant::Intervals;
using easyquant::Settings;

// A short name of a text, for keys; the 64 bits of a random stream's name.
std::string Digest(const std::string& text) { return std::to_string(RandomStream(0, text).NextU64()); }

quant::CodeRange CodesOf(const vit::OperandId& operand, const method::Scheme& scheme) {
  return quant::Codes(easyquant::GridOf(operand), scheme.BitsOf(operand));
}

// "8; pv 4": the depth, and that of ops whose codes are larger, such as the softmax's, which reach 2^b - 1.
std::string DepthNote(int64_t depth, const method::Scheme& scheme, const vit::VitConfig& config) {
  std::string note = std::to_string(depth);
  for (const vit::OpId& op : vit::AllOps(config)) {
    const vit::OperandId left{op, vit::Side::kLeft};
    if (op.block > 0 || !scheme.Covers(op) || !scheme.Covers(left)) {
      continue;
    }
    const int64_t most = quant::MaxInt16Products(CodesOf(left, scheme), CodesOf({op, vit::Side::kRight}, scheme));
    if (most < depth) {
      const std::string name = op.name();
      note += "; " + (op.block == 0 ? name.substr(name.rfind('.') + 1) : name) + " " +
              (most == 0 ? "in 32 bits" : std::to_string(most));
    }
  }
  return note;
}

// One calibration, from inputs to plan.
class Run {
 public:
  explicit Run(const method::QuantizeInputs& inputs)
      : inputs_(inputs),
        config_(inputs.model.config()),
        settings_(easyquant::ReadSettings(inputs.parameters)),
        searcher_(settings_, inputs),
        prefix_(inputs.model) {}

  Result<method::Plan> Quantize() {
    BeginProgress();
    vit::OpEngine* const prefix = settings_.sequential ? &prefix_ : nullptr;
    PTQ_RETURN_IF_ERROR(inputs_.calibration.ForEachStage(prefix, [&](calib::Stage& stage) -> Status {
      for (const vit::OpId& op : stage.ops()) {
        if (inputs_.scheme.Covers(op)) {
          PTQ_RETURN_IF_ERROR(FinishOp(stage, op));
        }
      }
      return OkStatus();
    }));
    inputs_.progress.End();
    TakeNotes();
    return std::move(plan_);
  }

 private:
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
    inputs_.progress.Begin("search", steps);
  }

  Status FinishOp(calib::Stage& stage, const vit::OpId& op) {
    PTQ_ASSIGN_OR_RETURN(const Intervals found, searcher_.Find(op, behind_, [&] {
      return calib::CaptureOp(stage, op, inputs_.model, settings_.sequential ? &prefix_ : nullptr);
    }));
    const vit::OperandId left{op, vit::Side::kLeft};
    const vit::OperandId right{op, vit::Side::kRight};
    if (inputs_.scheme.Covers(left)) {
      plan_.operands[left] = found.left;
    }
    plan_.operands[right] = found.right;
    if (settings_.sequential) {
      if (inputs_.scheme.Covers(left)) {
        prefix_.Set(left, found.left);
      }
      prefix_.Set(right, found.right);
      behind_ = Digest(behind_ + searcher_.Key(op, behind_));
    }
    evaluations_ += found.evaluations;
    max_rounds_ = std::max(max_rounds_, found.rounds);
    score_sum_ += found.score;
    ++ops_;
    inputs_.progress.Advance(Steps(op));
    return inputs_.progress.stop_requested() ? Status(Interrupted("stopped during the interval search")) : OkStatus();
  }

  void TakeNotes() {
    char score[32];
    std::snprintf(score, sizeof score, "%.6f", ops_ == 0 ? 1.0 : score_sum_ / static_cast<double>(ops_));
    plan_.notes["mean_score"] = score;
    plan_.notes["evaluations"] = std::to_string(evaluations_);
    plan_.notes["most_rounds"] = std::to_string(max_rounds_);
    if (settings_.accumulation_depth > 0) {
      plan_.notes["int16_depth"] = DepthNote(settings_.accumulation_depth, inputs_.scheme, config_);
    }
  }

  const method::QuantizeInputs& inputs_;
  const vit::VitConfig& config_;
  const Settings settings_;
  const easyquant::OpSearcher searcher_;
  method::FakeQuantEngine prefix_;
  std::string behind_;  // names the quantized ops that sequential calibration has behind it
  int64_t total_macs_ = 0, evaluations_ = 0, max_rounds_ = 0, ops_ = 0;
  double score_sum_ = 0;
  method::Plan plan_;
};

class EasyQuant final : public method::Method {
 public:
  EasyQuant() {
    info_.id = "easyquant";
    info_.summary = "Intervals of weights and activations searched in turn for the cosine of each op's output.";
    info_.citation = "Wu et al., EasyQuant: Post-training Quantization via Scale Optimization, arXiv 2006.16669, 2020";
    info_.published_as = "EasyQuant";
    info_.parameters = easyquant::ParameterSpecs();
  }

  const method::MethodInfo& info() const override { return info_; }

  Status Supports(const method::Scheme& scheme, const method::Parameters& parameters,
                  const vit::VitConfig&) const override {
    const int64_t depth = parameters.Int("accumulation_depth");
    const quant::Grid grid = quant::Grid::kSymmetricRestricted;
    const Status fits = quant::CheckInt16Depth(quant::Codes(grid, scheme.activation_bits),
                                               quant::Codes(grid, scheme.weight_bits), depth);
    if (depth > 0 && !fits.ok()) {
      return Unsupported("accumulation_depth must be smaller: " + fits.error().message);
    }
    return OkStatus();
  }

  Result<method::Plan> Quantize(const method::QuantizeInputs& inputs) const override { return Run(inputs).Quantize(); }

 private:
  method::MethodInfo info_;
};

}  // namespace

std::unique_ptr<method::Method> MakeEasyQuant() { return std::make_unique<EasyQuant>(); }

}  // namespace ptq::baselines
