#include "baselines/mse/mse.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include "core/calib/histogram_values.h"
#include "core/quant/lp_range.h"

namespace ptq::baselines {
namespace {

// weight: any shape; per_channel: one search for each slice along axis 0.
Result<quant::QuantParams> WeightOperand(const at::Tensor& weight, quant::Grid grid, int num_bits, double p,
                                         quant::Granularity granularity) {
  const at::Tensor in = weight.contiguous();
  const bool per_channel = granularity == quant::Granularity::kPerChannel;
  const int64_t rows = per_channel ? in.size(0) : 1;
  const int64_t size = in.numel() / rows;
  const float* data = in.data_ptr<float>();
  std::vector<Result<quant::QuantParams>> found(rows, InvalidArgument("not searched"));
  at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const quant::WeightedValues values{{data + row * size, data + (row + 1) * size}, {}};
      found[row] = quant::LpOptimalParams(values, grid, num_bits, p);
    }
  });
  quant::QuantParams params;
  params.grid = grid;
  params.num_bits = num_bits;
  params.granularity = granularity;
  params.axis = per_channel ? 0 : -1;
  for (const Result<quant::QuantParams>& row : found) {
    if (!row.ok()) {
      return row.error();
    }
    params.scale.push_back(row->scale[0]);
    params.zero_point.push_back(row->zero_point[0]);
  }
  return params;
}

class Mse final : public method::Method {
 public:
  Mse() {
    info_.id = "mse";
    info_.summary = "Each grid covers the part of the operand's range that makes the mean of |x - Q(x)|^p least.";
    info_.citation =
        "Choukroun et al., Low-bit Quantization of Neural Networks for Efficient Inference (OMSE), ICCV Workshops 2019";
    info_.published_as = "OMSE";
    info_.parameters = {
        {"p", 2.0, "exponent of the loss: 2 is the squared error of OMSE, 2.4 is usual for weights", 0.5, 8.0, {}},
        {"activation_grid",
         std::string("affine"),
         "grid of activations; affine is what the published OMSE rows of FQ-ViT use",
         {},
         {},
         {"affine", "symmetric_full", "symmetric_restricted"}},
        {"weight_grid",
         std::string("symmetric_full"),
         "grid of weights",
         {},
         {},
         {"affine", "symmetric_full", "symmetric_restricted"}},
    };
  }

  const method::MethodInfo& info() const override { return info_; }

  Status Supports(const method::Scheme&, const method::Parameters&, const vit::VitConfig&) const override {
    return OkStatus();
  }

  Result<method::Plan> Quantize(const method::QuantizeInputs& inputs) const override {
    const std::vector<vit::OperandId> operands = method::CoveredOperands(inputs.scheme, inputs.model.config());
    PTQ_ASSIGN_OR_RETURN(const auto statistics,
                         inputs.calibration.Collect(method::Activations(operands), {}, inputs.random));
    inputs.progress.Begin("search ranges", static_cast<int64_t>(operands.size()));
    method::Plan plan;
    for (const vit::OperandId& operand : operands) {
      if (inputs.progress.stop_requested()) {
        return Interrupted("stopped while searching ranges");
      }
      inputs.progress.Detail(operand.name());
      Result<quant::QuantParams> params =
          operand.is_weight() ? Weight(inputs, operand) : Activation(inputs, operand, statistics.at(operand));
      if (!params.ok()) {
        return Error{params.error().code, params.error().message, operand.name()};
      }
      plan.operands[operand] = *std::move(params);
      inputs.progress.Advance(1);
    }
    inputs.progress.End();
    return plan;
  }

 private:
  static Result<quant::QuantParams> Weight(const method::QuantizeInputs& inputs, const vit::OperandId& operand) {
    PTQ_ASSIGN_OR_RETURN(const quant::Grid grid, quant::ParseGrid(inputs.parameters.String("weight_grid")));
    return WeightOperand(inputs.model.parameter(operand.op.weight_name()), grid, inputs.scheme.BitsOf(operand),
                         inputs.parameters.Double("p"), inputs.scheme.weight_granularity);
  }
  static Result<quant::QuantParams> Activation(const method::QuantizeInputs& inputs, const vit::OperandId& operand,
                                               const calib::TensorStatistics& seen) {
    PTQ_ASSIGN_OR_RETURN(const quant::Grid grid, quant::ParseGrid(inputs.parameters.String("activation_grid")));
    return quant::LpOptimalParams(calib::ValuesOfHistogram(seen), grid, inputs.scheme.BitsOf(operand),
                                  inputs.parameters.Double("p"));
  }

  method::MethodInfo info_;
};

}  // namespace

std::unique_ptr<method::Method> MakeMse() { return std::make_unique<Mse>(); }

}  // namespace ptq::baselines
