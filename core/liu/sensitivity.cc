#include "core/liu/sensitivity.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <numeric>

#include "core/base/parallel.h"
#include "core/calib/op_capture.h"

namespace ptq::liu {
namespace {

int64_t ParametersOf(const vit::OpId& op, const vit::VitConfig& config) {
  const vit::OpShape shape = vit::ShapeOf(op, config);
  return shape.inner * shape.columns + shape.columns;
}

// The form of the attention map in Omega; of no meaning for kModuleOutput.
search::RankedMatrix AttentionMap(const Settings& settings) {
  switch (settings.sensitivity_map) {
    case SensitivityMap::kSoftmax:
      return search::RankedMatrix::kSoftmax;
    case SensitivityMap::kAsRanking:
      return settings.ranking_options.matrix;
    default:
      return search::RankedMatrix::kScores;
  }
}

}  // namespace

const char* Name(GroupKind kind) {
  switch (kind) {
    case GroupKind::kAttention:
      return "attn";
    case GroupKind::kMlp:
      return "mlp";
    case GroupKind::kOp:
      return "op";
  }
  return "";
}

std::vector<Group> Groups(const vit::VitConfig& config, const method::Scheme& scheme, const Settings& settings) {
  std::vector<Group> groups;
  for (const vit::OpId& op : vit::AllOps(config)) {
    if (!scheme.Covers(op) || (op.block < 0 && !settings.extra_groups)) {
      continue;
    }
    const GroupKind kind = op.block < 0 ? GroupKind::kOp : op.in_attention() ? GroupKind::kAttention : GroupKind::kMlp;
    const std::string name = kind == GroupKind::kOp ? op.name() : op.name().substr(0, op.name().rfind('.'));
    if (groups.empty() || groups.back().name != name) {
      groups.push_back({kind, name, {}, {}, op, 0});
    }
    Group& group = groups.back();
    group.ops.push_back(op);
    group.parameters += op.has_weight() ? ParametersOf(op, config) : 0;
    const bool whole_module = settings.sensitivity_map == SensitivityMap::kModuleOutput;
    const bool after_map = op.kind == vit::OpKind::kPv || op.kind == vit::OpKind::kProj;
    if (whole_module || !after_map) {
      group.upstream.push_back(op);
    }
    group.watched = kind == GroupKind::kAttention && !whole_module ? vit::OpId{vit::OpKind::kQk, op.block} : op;
  }
  return groups;
}

Result<at::Tensor> GroupOutput(calib::Stage& stage, const Group& group, const vit::VitConfig& config,
                               const Settings& settings, vit::OpEngine& engine) {
  std::vector<at::Tensor> outputs;
  PTQ_ASSIGN_OR_RETURN(at::Tensor y,
                       calib::CaptureOutput(stage, group.watched, engine, settings.sensitivity_images, &outputs));
  if (group.kind == GroupKind::kMlp && settings.feature_after_residual) {
    y = at::cat(outputs);
  }
  y = y.narrow(0, 0, std::min(settings.sensitivity_images, y.size(0)));
  if (group.kind != GroupKind::kAttention || settings.sensitivity_map == SensitivityMap::kModuleOutput) {
    return y.dim() == 2 ? y.unsqueeze(1) : y;
  }
  const search::RankedMatrix map = AttentionMap(settings);
  y = map == search::RankedMatrix::kScores ? y : y / std::sqrt(static_cast<double>(config.head_width()));
  return map == search::RankedMatrix::kSoftmax ? at::softmax(y, -1) : y;
}

Result<double> NuclearNorm(const at::Tensor& y, const std::string& where) {
  const at::NoGradGuard no_grad;
  if (!at::isfinite(y).all().item<bool>()) {
    return InvalidArgument("the output contains a NaN or an infinity", where);
  }
  const at::Tensor matrices = y.reshape({-1, y.size(-2), y.size(-1)}).contiguous();
  std::vector<double> norms(matrices.size(0));
  const int threads = at::get_num_threads();
  // One matrix a thread, so that a sum's order never depends on their number.
  ParallelFor(threads, matrices.size(0), [&](int64_t i) {
    const at::NoGradGuard in_this_thread;
    at::set_num_threads(1);
    try {
      norms[i] = at::linalg_svdvals(matrices[i].to(at::kDouble)).sum().item<double>();
    } catch (const std::exception&) {
      norms[i] = std::nan("");
    }
  });
  at::set_num_threads(threads);
  const double sum = std::accumulate(norms.begin(), norms.end(), 0.0);
  if (!std::isfinite(sum)) {
    return Internal("the singular values could not be computed", where);
  }
  return sum / static_cast<double>(norms.size());
}

double SquaredNorm(const at::Tensor& y) {
  const at::Tensor flat = y.contiguous();
  const float* values = flat.data_ptr<float>();
  const double sum = std::transform_reduce(values, values + flat.numel(), 0.0, std::plus<>(),
                                           [](float x) { return static_cast<double>(x) * static_cast<double>(x); });
  return sum * static_cast<double>(y.size(-1) * y.size(-2)) / static_cast<double>(y.numel());
}

double Omega(const Settings& settings, double nuclear_norm, double squared_error, double squared_norm) {
  if (!settings.relative_sensitivity || squared_norm == 0) {
    return nuclear_norm * squared_error;
  }
  return nuclear_norm / std::sqrt(squared_norm) * (squared_error / squared_norm);
}

}  // namespace ptq::liu
