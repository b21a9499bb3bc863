// op.h: the named ops of a ViT: every multiplication that a plan can quantize.
//
// An op multiplies a left operand (an activation) by a right operand (a weight; for qk and pv an activation too).
// Names are timm's module paths.  An op is this type; nothing in the project finds one by substring.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/vit/config.h"

namespace ptq::vit {

enum class OpKind {
  kPatchEmbed,  // patch_embed.proj     (B, patches, 3PP) x (C, 3PP)
  kQkv,         // blocks.I.attn.qkv    (B, N, C) x (3C, C); output rows ordered q, k, v
  kQk,          // blocks.I.attn.qk     (B, H, N, D) x (B, H, D, N); scores before the factor 1/sqrt(D)
  kPv,          // blocks.I.attn.pv     (B, H, N, N) x (B, H, N, D); left is the softmax output
  kProj,        // blocks.I.attn.proj   (B, N, C) x (C, C)
  kFc1,         // blocks.I.mlp.fc1     (B, N, C) x (hidden, C)
  kFc2,         // blocks.I.mlp.fc2     (B, N, hidden) x (C, hidden); left is the GELU output
  kHead,        // head                 (B, C) x (classes, C)
  kHeadDist,    // head_dist            (B, C) x (classes, C); only where config.distilled
};

struct OpId {
  OpKind kind = OpKind::kHead;
  int64_t block = -1;  // -1 outside the blocks

  bool operator==(const OpId& other) const { return kind == other.kind && block == other.block; }
  bool operator!=(const OpId& other) const { return !(*this == other); }
  // Order of execution: patch_embed.proj, block 0 (qkv, qk, pv, proj, fc1, fc2), ..., head, head_dist.
  bool operator<(const OpId& other) const;

  std::string name() const;
  // The right operand is a weight (and the op has a bias).
  bool has_weight() const { return kind != OpKind::kQk && kind != OpKind::kPv; }
  // Inside a block's attention module: qkv, qk, pv, proj.
  bool in_attention() const;
  // Parameter names in canonical (timm) naming; CHECKs has_weight().
  std::string weight_name() const { return name() + ".weight"; }
  std::string bias_name() const { return name() + ".bias"; }
};

// "blocks.3.attn.qkv" -> OpId.  InvalidArgument for anything that is not exactly the name() of an op.
Result<OpId> ParseOp(std::string_view name);

// One side of an op.
enum class Side { kLeft, kRight };
const char* Name(Side side);  // "left", "right"

struct OperandId {
  OpId op;
  Side side = Side::kLeft;

  bool operator==(const OperandId& other) const { return op == other.op && side == other.side; }
  bool operator<(const OperandId& other) const { return op != other.op ? op < other.op : side < other.side; }
  bool is_weight() const { return side == Side::kRight && op.has_weight(); }
  std::string name() const { return op.name() + "." + Name(side); }
};

// A LayerNorm, named for what it reads: the residual stream.  A plan may quantize the stream there (Lin et al. 2022).
struct NormId {
  enum class Kind { kNorm1, kNorm2, kFinal };
  Kind kind = Kind::kFinal;
  int64_t block = -1;  // -1 of kFinal

  bool operator==(const NormId& other) const { return kind == other.kind && block == other.block; }
  bool operator<(const NormId& other) const;  // the order of execution
  std::string name() const;                   // "blocks.3.norm1", "norm"
};
// InvalidArgument for anything that is not exactly the name() of a LayerNorm.
Result<NormId> ParseNorm(std::string_view name);
std::vector<NormId> AllNorms(const VitConfig& config);

// Every op of the model in the order of execution.
std::vector<OpId> AllOps(const VitConfig& config);

// rows x inner x columns of the op's matrix product for one image, heads counted in `count`.
struct OpShape {
  int64_t count = 1, rows = 0, inner = 0, columns = 0;
  int64_t multiply_accumulates() const { return count * rows * inner * columns; }
};
OpShape ShapeOf(const OpId& op, const VitConfig& config);

}  // namespace ptq::vit
