// sensitivity.h: how much a group of ops suffers from few bits (Liu et al. 2021, Eq. 17 and 18).
//
//   Omega = (sum of the singular values of Y) * || Y_hat - Y ||_F^2
//
// Y is the attention map of an attention group (or, as an option, its module's output), the output feature of an MLP
// group, the output of a group of one op;
// Y_hat the same with this group alone quantized.  Both factors are averaged over images and heads.
#pragma once

#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/calib/calibration.h"
#include "core/liu/settings.h"
#include "core/method/fake_quant_engine.h"
#include "core/method/scheme.h"
#include "core/vit/config.h"

namespace ptq::liu {

enum class GroupKind { kAttention, kMlp, kOp };

// Ops that share one width.
struct Group {
  GroupKind kind = GroupKind::kAttention;
  std::string name;
  std::vector<vit::OpId> ops;       // covered by the scheme
  std::vector<vit::OpId> upstream;  // those of `ops` that Y depends on
  vit::OpId watched;                // the op that puts out Y (of an attention map: its scores)
  int64_t parameters = 0;
};

const char* Name(GroupKind kind);  // "attn", "mlp", "op"

// Two groups a block, in the order of execution; where asked for, the patch embedding and the heads that the scheme
// covers as well.
std::vector<Group> Groups(const vit::VitConfig& config, const method::Scheme& scheme, const Settings& settings);

// Y over the first images while `engine` multiplies: (n, rows, columns) or (n, H, rows, columns).
Result<at::Tensor> GroupOutput(calib::Stage& stage, const Group& group, const vit::VitConfig& config,
                               const Settings& settings, vit::OpEngine& engine);

// Mean over the leading dimensions of the sum of singular values, by SVD.  The same for every number of threads.
// InvalidArgument with `where` for a NaN or an infinity; Internal where LAPACK finds no values.
Result<double> NuclearNorm(const at::Tensor& y, const std::string& where);

// Mean over the leading dimensions of the squared Frobenius norm.
double SquaredNorm(const at::Tensor& y);

// Omega from its factors, as printed or with both in units of Y's norm: (nuclear / |Y|) * (|Y_hat - Y|^2 / |Y|^2).
double Omega(const Settings& settings, double nuclear_norm, double squared_error, double squared_norm);

}  // namespace ptq::liu
