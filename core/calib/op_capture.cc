#include "core/calib/op_capture.h"

#include <ATen/ATen.h>

namespace ptq::calib {
namespace {

// Batches gathered into one tensor, whose memory is taken once.
class Gathered {
 public:
  explicit Gathered(int64_t images) : images_(images) {}

  void Add(const at::Tensor& batch) {
    if (!all_.defined()) {
      std::vector<int64_t> shape = batch.sizes().vec();
      shape[0] = images_;
      all_ = at::empty(shape, batch.options());
    }
    all_.narrow(0, filled_, batch.size(0)).copy_(batch);
    filled_ += batch.size(0);
  }
  at::Tensor tensor() const { return all_.defined() ? all_.narrow(0, 0, filled_) : all_; }

 private:
  const int64_t images_;
  int64_t filled_ = 0;
  at::Tensor all_;
};

// Lets another engine multiply and keeps what one op sees.
class CapturingEngine final : public vit::OpEngine {
 public:
  struct Wanted {
    bool operands = false;
    bool product = false;  // without bias
    bool output = false;   // as the engine gives it
  };

  CapturingEngine(vit::OpEngine& base, const vit::OpId& op, Wanted wanted, int64_t images)
      : left(images), right(images), products(images), base_(base), op_(op), wanted_(wanted) {}

  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    const at::Tensor output = base_.Linear(op, input, weight, bias);
    if (op == op_) {
      const at::Tensor rows = input.dim() == 2 ? input.unsqueeze(1) : input;  // the heads see one token
      if (wanted_.operands) {
        left.Add(rows);
      }
      if (wanted_.product) {
        products.Add(at::matmul(rows, weight.t()));
      }
      if (wanted_.output) {
        products.Add(output);
      }
    }
    return output;
  }

  at::Tensor MatMul(const vit::OpId& op, const at::Tensor& left_operand, const at::Tensor& right_operand) override {
    at::Tensor output = base_.MatMul(op, left_operand, right_operand);
    if (op == op_) {
      if (wanted_.operands) {
        left.Add(left_operand);
        right.Add(right_operand.transpose(-2, -1));
      }
      if (wanted_.product || wanted_.output) {
        products.Add(output);
      }
    }
    return output;
  }

  Gathered left, right, products;

 private:
  vit::OpEngine& base_;
  const vit::OpId op_;
  const Wanted wanted_;
};

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
  CapturingEngine engine(float_engine, op, {prefix == nullptr, true, false}, stage.image_count());
  PTQ_RETURN_IF_ERROR(stage.Run(engine));
  CapturedOp captured{op, {}, {}, engine.products.tensor()};
  if (prefix == nullptr) {
    captured.left = engine.left.tensor();
    captured.right = op.has_weight() ? at::Tensor() : engine.right.tensor();
  } else {
    CapturingEngine behind(*prefix, op, {true, false, false}, stage.image_count());
    PTQ_RETURN_IF_ERROR(stage.RunBehindPrefix(behind));
    captured.left = behind.left.tensor();
    captured.right = op.has_weight() ? at::Tensor() : behind.right.tensor();
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
  CapturingEngine capturing(engine, op, {false, false, true}, stage.image_count());
  PTQ_RETURN_IF_ERROR(stage.Run(capturing, outputs, first_images));
  return capturing.products.tensor();
}

}  // namespace ptq::calib
