#include "baselines/lapq/step_sizes.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "core/base/parallel.h"
#include "core/calib/histogram_values.h"
#include "core/quant/fake_quant.h"
#include "core/quant/reference.h"

namespace ptq::baselines::lapq {
namespace {

constexpr float kMinScale = 1e-8F;
// A tensor with more elements is fitted by its histogram.
constexpr int64_t kExactElements = 1 << 14;

bool IsGeluOutput(const vit::OperandId& operand) {
  return operand.op.kind == vit::OpKind::kFc2 && operand.side == vit::Side::kLeft;
}

}  // namespace

Result<StepSizes> StepSizes::Create(const method::QuantizeInputs& inputs, const StepOptions& options) {
  StepSizes steps;
  steps.per_channel_ = inputs.scheme.weight_granularity == quant::Granularity::kPerChannel;
  steps.operands_ = method::CoveredOperands(inputs.scheme, inputs.model.config());
  PTQ_ASSIGN_OR_RETURN(const auto statistics, inputs.calibration.Collect(method::Activations(steps.operands_), {},
                                                                         inputs.random.Child("statistics")));
  for (const vit::OperandId& operand : steps.operands_) {
    if (operand.is_weight()) {
      PTQ_ASSIGN_OR_RETURN(Operand made, MakeWeight(inputs, options, operand));
      steps.values_.push_back(std::move(made));
    } else {
      steps.values_.push_back(MakeActivation(inputs, operand, statistics.at(operand)));
    }
  }
  return steps;
}

Result<StepSizes::Operand> StepSizes::MakeWeight(const method::QuantizeInputs& inputs, const StepOptions& options,
                                                 const vit::OperandId& operand) {
  const at::Tensor weight = inputs.model.parameter(operand.op.weight_name());
  calib::TensorStatistics seen({}, inputs.random.Child("weights"));
  const Status finite = seen.Add(weight);
  if (!finite.ok()) {
    return InvalidArgument(finite.error().message, operand.name());
  }
  Operand made;
  made.grid = options.weight_grid;
  made.num_bits = inputs.scheme.BitsOf(operand);
  const bool per_channel = inputs.scheme.weight_granularity == quant::Granularity::kPerChannel;
  if (!per_channel && weight.numel() > kExactElements) {
    made.seen = std::move(seen);
    return made;
  }
  made.rows = weight.reshape({per_channel ? weight.size(0) : 1, -1}).contiguous();
  made.corrects_means = options.bias_correction;
  return made;
}

StepSizes::Operand StepSizes::MakeActivation(const method::QuantizeInputs& inputs, const vit::OperandId& operand,
                                             const calib::TensorStatistics& seen) {
  Operand made;
  made.num_bits = inputs.scheme.BitsOf(operand);
  if (IsGeluOutput(operand)) {
    made.grid = quant::Grid::kAffine;
    made.low = std::min(seen.min(), 0.0F);
  } else if (operand.op.kind == vit::OpKind::kPv && operand.side == vit::Side::kLeft) {
    made.grid = quant::Grid::kUnsigned;
  }
  made.seen = seen;
  return made;
}

// On kAffine less the lower end.
quant::WeightedValues StepSizes::ValuesOf(const Operand& operand, size_t channel) {
  if (!operand.seen) {
    const int64_t columns = operand.rows.size(1);
    const float* first = operand.rows.data_ptr<float>() + static_cast<int64_t>(channel) * columns;
    return {{first, first + columns}, {}};
  }
  quant::WeightedValues values = calib::ValuesOfHistogram(*operand.seen);
  for (float& x : values.values) {
    x -= operand.low;
  }
  return values;
}

Result<float> StepSizes::LpScale(const Operand& operand, size_t channel, double p) {
  const quant::WeightedValues values = ValuesOf(operand, channel);
  const bool dead = std::all_of(values.values.begin(), values.values.end(), [](float x) { return x == 0; });
  if (dead && operand.grid == quant::Grid::kSymmetricHalf) {
    return kMinScale;  // zero is no level: nothing but the smallest step keeps zeros near zero
  }
  // An affine grid whose lower end stays is an unsigned one of the values above it.
  const quant::Grid grid = operand.grid == quant::Grid::kAffine ? quant::Grid::kUnsigned : operand.grid;
  PTQ_ASSIGN_OR_RETURN(const quant::QuantParams found, quant::LpOptimalParams(values, grid, operand.num_bits, p));
  return std::max(found.scale[0], kMinScale);
}

Result<std::vector<quant::QuantParams>> StepSizes::LayerWise(double p) const {
  std::vector<quant::QuantParams> all(operands_.size());
  std::vector<std::pair<size_t, size_t>> jobs;  // operand, channel
  for (size_t i = 0; i < values_.size(); ++i) {
    const size_t channels = values_[i].channels();
    all[i].grid = values_[i].grid;
    all[i].num_bits = values_[i].num_bits;
    all[i].scale.resize(channels);
    all[i].zero_point.resize(channels);
    for (size_t c = 0; c < channels; ++c) {
      jobs.emplace_back(i, c);
    }
  }
  std::vector<Status> outcomes(jobs.size());
  ParallelFor(at::get_num_threads(), static_cast<int64_t>(jobs.size()), [&](int64_t j) {
    const auto [i, c] = jobs[static_cast<size_t>(j)];
    const Result<float> scale = LpScale(values_[i], c, p);
    if (scale.ok()) {
      all[i].scale[c] = *scale;
    } else {
      outcomes[static_cast<size_t>(j)] = Error{scale.error().code, scale.error().message, operands_[i].name()};
    }
  });
  for (const Status& outcome : outcomes) {
    PTQ_RETURN_IF_ERROR(outcome);
  }
  for (size_t i = 0; i < values_.size(); ++i) {
    if (operands_[i].is_weight() && per_channel_) {
      all[i].granularity = quant::Granularity::kPerChannel;
      all[i].axis = 0;
    }
    Complete(values_[i], all[i]);
  }
  return all;
}

quant::QuantParams StepSizes::Stretched(size_t i, const quant::QuantParams& layer_wise, double x) const {
  quant::QuantParams params = layer_wise;
  const double factor = std::exp(x);
  for (float& scale : params.scale) {
    scale = std::max(static_cast<float>(scale * factor), kMinScale);
  }
  Complete(values_[i], params);
  return params;
}

// What follows from the scales: zero points and corrections.
void StepSizes::Complete(const Operand& operand, quant::QuantParams& params) {
  if (operand.grid == quant::Grid::kAffine) {
    const float steps = quant::RoundHalfEven(-operand.low / params.scale[0]);
    params.zero_point[0] = static_cast<int32_t>(std::min(steps, static_cast<float>((1 << operand.num_bits) - 1)));
  }
  if (!operand.corrects_means) {
    return;
  }
  params.correction.clear();
  const at::Tensor quantized = quant::FakeQuantize(operand.rows, params);
  const int64_t columns = operand.rows.size(1);
  for (int64_t row = 0; row < operand.rows.size(0); ++row) {
    const float* w = operand.rows.data_ptr<float>() + row * columns;
    const float* q = quantized.data_ptr<float>() + row * columns;
    double lost = 0;
    for (int64_t k = 0; k < columns; ++k) {
      lost += static_cast<double>(w[k]) - q[k];
    }
    params.correction.push_back(static_cast<float>(lost / static_cast<double>(columns)));
  }
}

}  // namespace ptq::baselines::lapq
