#include "core/calib/op_capture.h"

#include <ATen/ATen.h>

namespace ptq::calib {
namespace {

// Lets another engine multiply and keeps what one op sees.
class CapturingEngine final : public vit::OpEngine {
 public:
  struct Wanted {
    bool operands = false;
    bool product = false;  // without bias
    bool output = false;   // as the engine gives it
  };

  CapturingEngine(vit::OpEngine& base, const vit::OpId& op, Wanted wanted) : base_(base), op_(op), wanted_(wanted) {}

  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    const at::Tensor output = base_.Linear(op, input, weight, bias);
    if (op == op_) {
      const at::Tensor rows = input.dim() == 2 ? input.unsqueeze(1) : input;  // the heads see one token
      if (wanted_.operands) {
        left.push_back(rows.clone(at::MemoryFormat::Contiguous));
      }
      if (wanted_.product) {
        products.push_back(at::matmul(rows, weight.t()));
      }
      if (wanted_.output) {
        products.push_back(output);
      }
    }
    return output;
  }

  at::Tensor MatMul(const vit::OpId& op, const at::Tensor& left_operand, const at::Tensor& right_operand) override {
    at::Tensor output = base_.MatMul(op, left_operand, right_operand);
    if (op == op_) {
      if (wanted_.operands) {
        left.push_back(left_operand.clone(at::MemoryFormat::Contiguous));
        right.push_back(right_operand.transpose(-2, -1).clone(at::MemoryFormat::Contiguous));
      }
      if (wanted_.product || wanted_.output) {
        products.push_back(output);
      }
    }
    return output;
  }

  std::vector<at::Tensor> left, right, products;

 private:
  vit::OpEngine& base_;
  const vit::OpId op_;
  const Wanted wanted_;
};

// The batches as one tensor; frees them.
at::Tensor Join(std::vector<at::Tensor>& batches) {
  const at::Tensor joined = batches.size() == 1 ? batches[0].contiguous() : at::cat(batches);
  batches.clear();
  return joined;
}

Status CheckFinite(const at::Tensor& x, const vit::OperandId& operand) {
  if (!at::isfinite(x).all().item<bool>()) {
    return InvalidArgument("contains a NaN or an infinity", operand.name());
  }
  return OkStatus();
}

}  // namespace

Result<CapturedOp> CaptureOp(Stage& stage, const vit::OpId& op, const vit::VitModel& model, vit::OpEngine* prefix) {
  const at::NoGradGuard no_grad;
  vit::OpEngine float_engine;
  CapturingEngine engine(float_engine, op, {prefix == nullptr, true, false});
  PTQ_RETURN_IF_ERROR(stage.Run(engine));
  CapturedOp captured{op, {}, {}, Join(engine.products)};
  if (prefix == nullptr) {
    captured.left = Join(engine.left);
    captured.right = op.has_weight() ? at::Tensor() : Join(engine.right);
  } else {
    CapturingEngine behind(*prefix, op, {true, false, false});
    PTQ_RETURN_IF_ERROR(stage.RunBehindPrefix(behind));
    captured.left = Join(behind.left);
    captured.right = op.has_weight() ? at::Tensor() : Join(behind.right);
  }
  if (op.has_weight()) {
    const at::Tensor weight = model.parameter(op.weight_name());
    captured.right = weight.contiguous().view({weight.size(0), -1});
  }
  PTQ_RETURN_IF_ERROR(CheckFinite(captured.left, {op, vit::Side::kLeft}));
  PTQ_RETURN_IF_ERROR(CheckFinite(captured.right, {op, vit::Side::kRight}));
  if (!at::isfinite(captured.output).all().item<bool>()) {
    return InvalidArgument("the output contains a NaN or an infinity", op.name());
  }
  return captured;
}

Result<at::Tensor> CaptureOutput(Stage& stage, const vit::OpId& op, vit::OpEngine& engine, int64_t first_images,
                                 std::vector<at::Tensor>* outputs) {
  const at::NoGradGuard no_grad;
  CapturingEngine capturing(engine, op, {false, false, true});
  PTQ_RETURN_IF_ERROR(stage.Run(capturing, outputs, first_images));
  return Join(capturing.products);
}

}  // namespace ptq::calib
