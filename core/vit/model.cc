#include "core/vit/model.h"

#include <ATen/ATen.h>

#include <cmath>
#include <cstring>

#include "core/vit/parameters.h"

namespace ptq::vit {

at::Tensor OpEngine::Linear(const OpId&, const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) {
  return at::linear(input, weight, bias);
}

at::Tensor OpEngine::MatMul(const OpId&, const at::Tensor& left, const at::Tensor& right) {
  return at::matmul(left, right);
}

at::Tensor OpEngine::NormInput(const NormId&, const at::Tensor& x) { return x; }

at::Tensor ToTorch(const HostTensor& tensor) {
  const std::vector<float> values = ToFloats(tensor);
  at::Tensor out = at::empty(tensor.shape, at::kFloat);
  if (!values.empty()) {
    std::memcpy(out.data_ptr<float>(), values.data(), values.size() * sizeof(float));
  }
  return out;
}

HostTensor FromTorch(const at::Tensor& tensor) {
  PTQ_CHECK(tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kInt);
  const at::Tensor in = tensor.detach().contiguous().cpu();
  auto bytes = std::make_shared<std::vector<std::byte>>(in.nbytes());
  if (!bytes->empty()) {
    std::memcpy(bytes->data(), in.data_ptr(), bytes->size());
  }
  return {in.scalar_type() == at::kFloat ? DType::kF32 : DType::kI32, in.sizes().vec(), std::move(bytes)};
}

Result<VitModel> VitModel::Create(const VitConfig& config, const TensorMap& tensors) {
  PTQ_RETURN_IF_ERROR(CheckParameters(config, tensors));
  VitModel model(config);
  for (const auto& [name, tensor] : tensors) {
    model.parameters_[name] = ToTorch(tensor);
  }
  return model;
}

const at::Tensor& VitModel::parameter(const std::string& name) const {
  const auto it = parameters_.find(name);
  PTQ_CHECK(it != parameters_.end()) << name;
  return it->second;
}

Result<VitModel> VitModel::WithReplaced(const TensorMap& replacements) const {
  VitModel model = *this;
  for (const auto& [name, tensor] : replacements) {
    const auto it = model.parameters_.find(name);
    if (it == model.parameters_.end()) {
      return InvalidArgument("the plan replaces '" + name + "', which the model does not have");
    }
    if (it->second.sizes() != at::IntArrayRef(tensor.shape)) {
      return InvalidArgument("the plan's '" + name + "' has shape " + tensor.ShapeString() + ", the model's is " +
                             FromTorch(it->second).ShapeString());
    }
    at::Tensor value = ToTorch(tensor);
    if (!at::isfinite(value).all().item<bool>()) {
      return InvalidArgument("the plan's '" + name + "' contains a NaN or an infinity");
    }
    it->second = std::move(value);
  }
  return model;
}

void VitModel::MoveTo(const at::Device& device) {
  for (auto& [name, value] : parameters_) {
    value = value.to(device);
  }
}

at::Tensor VitModel::ApplyLinear(const OpId& op, const at::Tensor& input, OpEngine& engine) const {
  return engine.Linear(op, input, parameter(op.weight_name()), parameter(op.bias_name()));
}

at::Tensor VitModel::LayerNorm(const std::string& path, const at::Tensor& x) const {
  return at::layer_norm(x, {config_.width}, parameter(path + ".weight"), parameter(path + ".bias"),
                        config_.layer_norm_eps);
}

at::Tensor VitModel::Embed(const at::Tensor& images, OpEngine& engine) const {
  const int64_t batch = images.size(0);
  const int64_t p = config_.patch_size;
  const int64_t grid = config_.image_size / p;
  PTQ_CHECK(images.dim() == 4 && images.size(1) == config_.channels && images.size(2) == config_.image_size &&
            images.size(3) == config_.image_size)
      << "images " << FromTorch(images.slice(0, 0, 0)).ShapeString();
  // A convolution whose stride is its kernel is a linear map of each patch; elements ordered (channel, row, column).
  const at::Tensor patches = images.reshape({batch, config_.channels, grid, p, grid, p})
                                 .permute({0, 2, 4, 1, 3, 5})
                                 .reshape({batch, grid * grid, config_.patch_elements()});
  const OpId op{OpKind::kPatchEmbed, -1};
  const at::Tensor weight = parameter(op.weight_name()).view({config_.width, config_.patch_elements()});
  const at::Tensor embedded = engine.Linear(op, patches, weight, parameter(op.bias_name()));
  std::vector<at::Tensor> tokens = {parameter("cls_token").expand({batch, 1, config_.width})};
  if (config_.distilled) {
    tokens.push_back(parameter("dist_token").expand({batch, 1, config_.width}));
  }
  tokens.push_back(embedded);
  return at::cat(tokens, 1) + parameter("pos_embed");
}

at::Tensor VitModel::Block(int64_t block, const at::Tensor& input, OpEngine& engine) const {
  const std::string path = "blocks." + std::to_string(block);
  const at::Tensor x = engine.NormInput({NormId::Kind::kNorm1, block}, input);
  const int64_t batch = x.size(0);
  const int64_t n = x.size(1);
  const at::Tensor qkv = ApplyLinear({OpKind::kQkv, block}, LayerNorm(path + ".norm1", x), engine)
                             .view({batch, n, 3, config_.heads, config_.head_width()})
                             .permute({2, 0, 3, 1, 4});  // (3, B, H, N, D)
  const at::Tensor scores = engine.MatMul({OpKind::kQk, block}, qkv[0], qkv[1].transpose(-2, -1));
  const double factor = 1.0 / std::sqrt(static_cast<double>(config_.head_width()));
  const at::Tensor probabilities = at::softmax(scores * factor, -1);
  const at::Tensor attended = engine.MatMul({OpKind::kPv, block}, probabilities, qkv[2]);
  const at::Tensor merged = attended.transpose(1, 2).reshape({batch, n, config_.width});
  const at::Tensor after_attention =
      engine.NormInput({NormId::Kind::kNorm2, block}, x + ApplyLinear({OpKind::kProj, block}, merged, engine));
  const at::Tensor hidden =
      at::gelu(ApplyLinear({OpKind::kFc1, block}, LayerNorm(path + ".norm2", after_attention), engine));
  return after_attention + ApplyLinear({OpKind::kFc2, block}, hidden, engine);
}

at::Tensor VitModel::Head(const at::Tensor& x, OpEngine& engine) const {
  const at::Tensor tokens = engine.NormInput({NormId::Kind::kFinal, -1}, x.narrow(1, 0, config_.prefix_tokens()));
  const at::Tensor normed = LayerNorm("norm", tokens);
  const at::Tensor logits = ApplyLinear({OpKind::kHead, -1}, normed.select(1, 0), engine);
  if (!config_.distilled) {
    return logits;
  }
  return (logits + ApplyLinear({OpKind::kHeadDist, -1}, normed.select(1, 1), engine)) / 2;
}

at::Tensor VitModel::Forward(const at::Tensor& images, OpEngine& engine) const {
  at::Tensor x = Embed(images, engine);
  for (int64_t block = 0; block < config_.depth; ++block) {
    x = Block(block, x, engine);
  }
  return Head(x, engine);
}

}  // namespace ptq::vit
