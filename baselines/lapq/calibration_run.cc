#include "baselines/lapq/calibration_run.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace ptq::baselines::lapq {
namespace {

// The joint stage looks between half and twice the layer-wise clipping values: |x| = ln 2 at most.  Where labels and
// network disagree, cross-entropy falls far outside by making the network say less.
constexpr double kBound = 0.6931471805599453;

// A short name of a text, for keys: 64 bits of the random stream of that name.
std::string Digest(const std::string& text) { return std::to_string(RandomStream(0, text).NextU64()); }

template <typename T>
void AppendBytes(std::string& bytes, const std::vector<T>& values) {
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  bytes += '\n';
}

// `digits` significant ones; 17 read back to the same number.
std::string Number(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

MinimizeOptions OptionsOf(const method::QuantizeInputs& inputs, Optimizer optimizer) {
  MinimizeOptions options;
  options.optimizer = optimizer;
  options.evaluations = inputs.parameters.Int("evaluations");
  options.bound = kBound;
  // Losses over step sizes are jagged: slopes and curvatures over 5 % say more of their course than over 1 %.
  const bool takes_differences = optimizer == Optimizer::kPraxis;
  options.x_tolerance = takes_differences ? 0.05 : 0.01;
  options.step = takes_differences ? 5 : 0.2;
  options.f_tolerance = 1e-4;
  options.seed = inputs.random.Child("optimizer").NextU64();
  return options;
}

}  // namespace

Result<method::Plan> CalibrationRun::Quantize() {
  PTQ_ASSIGN_OR_RETURN(const std::vector<int64_t> labels, ReadLabels());
  const method::Parameters& parameters = inputs_.parameters;
  StepOptions options;
  PTQ_ASSIGN_OR_RETURN(options.weight_grid, quant::ParseGrid(parameters.String("weight_grid")));
  options.bias_correction = parameters.Bool("bias_correction");
  PTQ_ASSIGN_OR_RETURN(StepSizes steps, StepSizes::Create(inputs_, options));
  steps_ = std::make_unique<StepSizes>(std::move(steps));
  PTQ_RETURN_IF_ERROR(ReadImages(labels));
  const int64_t budget = parameters.Bool("joint") ? parameters.Int("evaluations") : 0;
  inputs_.progress.Begin("optimise step sizes", static_cast<int64_t>(PGrid().size()) + 1 + budget);
  PTQ_RETURN_IF_ERROR(ChoosePower());
  joint_.x.assign(steps_->operands().size(), 0.0);
  if (parameters.Bool("joint")) {
    PTQ_RETURN_IF_ERROR(Optimise());
  }
  inputs_.progress.End();
  return MakePlan();
}

Result<std::vector<int64_t>> CalibrationRun::ReadLabels() const {
  if (inputs_.parameters.String("loss") != "cross_entropy" || inputs_.calibration.image_count() == 0) {
    return std::vector<int64_t>();
  }
  const auto labels = inputs_.calibration.Labels();
  if (!labels.ok()) {
    return labels.error().code != ErrorCode::kUnsupported
               ? labels.error()
               : Unsupported("loss = cross_entropy needs the classes of the calibration images, and there are none (" +
                             labels.error().message + "); loss = kl needs no classes");
  }
  const int64_t classes = inputs_.model.config().classes;
  for (size_t i = 0; i < labels->size(); ++i) {
    if ((*labels)[i] < 0 || (*labels)[i] >= classes) {
      return InvalidArgument("calibration image " + std::to_string(i) + " is of class " + std::to_string((*labels)[i]) +
                             ", and the model tells " + std::to_string(classes) +
                             " classes; take images of its own classes, or loss = kl");
    }
  }
  return *labels;
}

Status CalibrationRun::ReadImages(const std::vector<int64_t>& labels) {
  std::vector<at::Tensor> batches;
  PTQ_RETURN_IF_ERROR(inputs_.calibration.ForEachImageBatch([&](const at::Tensor& batch) {
    batches.push_back(batch.clone());  // the batch's memory is the source's
    return inputs_.progress.stop_requested() ? Status(Interrupted("stopped during calibration")) : OkStatus();
  }));
  const at::Tensor images = at::cat(batches);
  batches.clear();
  const int64_t count = images.size(0);
  PTQ_CHECK(labels.empty() || static_cast<int64_t>(labels.size()) == count) << labels.size() << " labels";
  const double held_out = inputs_.parameters.Bool("joint") ? inputs_.parameters.Double("holdout") : 0.0;
  RandomStream random = inputs_.random.Child("holdout");
  indices_[kHeldOut] = SampleWithoutReplacement(random, count, static_cast<int64_t>(held_out * count));
  for (int64_t i = 0; i < count; ++i) {
    if (!std::binary_search(indices_[kHeldOut].begin(), indices_[kHeldOut].end(), i)) {
      indices_[kFitted].push_back(i);
    }
  }
  std::vector<ScoredImages> parts;
  for (const std::vector<int64_t>& indices : indices_) {
    if (indices.empty()) {
      continue;
    }
    ScoredImages& part = parts.emplace_back();
    part.images = images.index_select(0, at::tensor(indices, at::kLong));
    for (const int64_t i : indices) {
      if (!labels.empty()) {
        part.labels.push_back(labels[static_cast<size_t>(i)]);
      }
    }
  }
  network_ = std::make_unique<NetworkLoss>(inputs_.model, parts);
  return OkStatus();
}

Status CalibrationRun::ChoosePower() {
  const auto loss_at = [&](double p) -> Result<double> {
    PTQ_RETURN_IF_ERROR(SetLayerWise(p));
    inputs_.progress.Detail("p " + Number(p, 3));
    PTQ_ASSIGN_OR_RETURN(const double loss, Loss(kFitted, std::vector<double>(layer_wise_.size(), 0.0)));
    ++p_evaluations_;
    inputs_.progress.Advance(1);
    return loss;
  };
  PTQ_ASSIGN_OR_RETURN(chosen_, ChooseP(PGrid(), loss_at));
  return SetLayerWise(chosen_.p);
}

Status CalibrationRun::Optimise() {
  PTQ_ASSIGN_OR_RETURN(const Optimizer optimizer, ParseOptimizer(inputs_.parameters.String("optimizer")));
  Objective held_out;
  if (!indices_[kHeldOut].empty()) {
    held_out = [&](const std::vector<double>& x) { return Loss(kHeldOut, x); };
  }
  const auto tell = [&](const JointResult& best) {
    inputs_.progress.Advance(1);
    inputs_.progress.Detail("best loss " + Number(best.loss, 5) + ", at first " + Number(best.start_loss, 5));
  };
  PTQ_ASSIGN_OR_RETURN(joint_, SearchJointly(
                                   layer_wise_.size(), [&](const std::vector<double>& x) { return Loss(kFitted, x); },
                                   held_out, OptionsOf(inputs_, optimizer), tell));
  return OkStatus();
}

method::Plan CalibrationRun::MakePlan() const {
  method::Plan plan;
  for (size_t i = 0; i < layer_wise_.size(); ++i) {
    plan.operands[steps_->operands()[i]] = steps_->Stretched(i, layer_wise_[i], joint_.x[i]);
  }
  plan.notes["p"] = Number(chosen_.p, 4);
  plan.notes["p_rule"] = chosen_.rule;
  plan.notes["p_evaluations"] = std::to_string(p_evaluations_);
  plan.notes["p_loss"] = Number(chosen_.loss, 6);
  if (!inputs_.parameters.Bool("joint")) {
    return plan;
  }
  plan.notes["evaluations"] = std::to_string(joint_.evaluations);
  plan.notes["stop"] = joint_.stop;
  plan.notes["loss"] = Number(joint_.loss, 6);
  plan.notes["accepted"] = std::to_string(joint_.accepted);
  if (!indices_[kHeldOut].empty()) {
    plan.notes["held_out_images"] = std::to_string(indices_[kHeldOut].size());
    plan.notes["held_out_evaluations"] = std::to_string(joint_.held_out_evaluations);
    plan.notes["held_out_loss_before"] = Number(joint_.start_held_out_loss, 6);
    plan.notes["held_out_loss"] = Number(joint_.held_out_loss, 6);
    plan.notes["rejected"] = std::to_string(joint_.rejected);
  }
  return plan;
}

Status CalibrationRun::SetLayerWise(double p) {
  PTQ_ASSIGN_OR_RETURN(layer_wise_, steps_->LayerWise(p));
  applied_.clear();
  std::string text;
  for (size_t i = 0; i < layer_wise_.size(); ++i) {
    const quant::QuantParams& params = layer_wise_[i];
    text += steps_->operands()[i].name() + " " + quant::Name(params.grid) + " " + std::to_string(params.num_bits) +
            " " + quant::Name(params.granularity) + (params.correction.empty() ? "" : " corrected") + "\n";
    AppendBytes(text, params.scale);
    AppendBytes(text, params.zero_point);
  }
  layer_wise_digest_ = Digest(text);
  return OkStatus();
}

Result<double> CalibrationRun::Loss(Part part, const std::vector<double>& x) {
  if (inputs_.progress.stop_requested()) {
    return Interrupted("stopped while step sizes were optimised");
  }
  const std::string key = Key(part, x);
  PTQ_ASSIGN_OR_RETURN(const std::optional<std::string> kept, inputs_.checkpoint.Find(key));
  if (kept) {
    char* end = nullptr;
    const double loss = std::strtod(kept->c_str(), &end);
    if (kept->empty() || *end != '\0') {
      return Corrupt("a kept loss of the calibration cannot be read ('" + *kept +
                     "'); delete the .calibration file beside the database, which loses time only");
    }
    return loss;
  }
  Apply(x);
  const double loss = network_->Of(part);
  PTQ_RETURN_IF_ERROR(inputs_.checkpoint.Keep(key, Number(loss, 17)));
  return loss;
}

void CalibrationRun::Apply(const std::vector<double>& x) {
  for (size_t i = 0; i < x.size(); ++i) {
    if (applied_.empty() || applied_[i] != x[i]) {
      network_->Set(steps_->operands()[i], steps_->Stretched(i, layer_wise_[i], x[i]));
    }
  }
  applied_ = x;
}

std::string CalibrationRun::Key(Part part, const std::vector<double>& x) const {
  std::string text = layer_wise_digest_ + "\n";
  AppendBytes(text, x);
  AppendBytes(text, indices_[part]);
  return "loss " + inputs_.parameters.String("loss") + " " + std::to_string(indices_[part].size()) + " images " +
         Digest(text);
}

}  // namespace ptq::baselines::lapq
