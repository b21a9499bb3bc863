#include "core/vit/op.h"

#include <array>
#include <tuple>

#include "core/base/check.h"

namespace ptq::vit {
namespace {

struct KindName {
  OpKind kind;
  const char* path;  // inside the block, or the whole name
};
constexpr std::array<KindName, 6> kBlockOps = {{
    {OpKind::kQkv, "attn.qkv"},
    {OpKind::kQk, "attn.qk"},
    {OpKind::kPv, "attn.pv"},
    {OpKind::kProj, "attn.proj"},
    {OpKind::kFc1, "mlp.fc1"},
    {OpKind::kFc2, "mlp.fc2"},
}};
constexpr std::array<KindName, 3> kOuterOps = {{
    {OpKind::kPatchEmbed, "patch_embed.proj"},
    {OpKind::kHead, "head"},
    {OpKind::kHeadDist, "head_dist"},
}};
constexpr int64_t kMaxBlocks = int64_t{1} << 20;

}  // namespace

bool OpId::operator<(const OpId& other) const {
  auto order = [](const OpId& op) {
    const int64_t stage = op.kind == OpKind::kPatchEmbed ? -1 : (op.block >= 0 ? op.block : kMaxBlocks);
    return std::make_tuple(stage, static_cast<int>(op.kind));
  };
  return order(*this) < order(other);
}

std::string OpId::name() const {
  for (const KindName& entry : kOuterOps) {
    if (entry.kind == kind) {
      return entry.path;
    }
  }
  for (const KindName& entry : kBlockOps) {
    if (entry.kind == kind) {
      return "blocks." + std::to_string(block) + "." + entry.path;
    }
  }
  return "?";
}

bool OpId::in_attention() const {
  return kind == OpKind::kQkv || kind == OpKind::kQk || kind == OpKind::kPv || kind == OpKind::kProj;
}

Result<OpId> ParseOp(std::string_view name) {
  for (const KindName& entry : kOuterOps) {
    if (name == entry.path) {
      return OpId{entry.kind, -1};
    }
  }
  const Error unknown = InvalidArgument("no op is called '" + std::string(name.substr(0, 80)) + "'");
  constexpr std::string_view kPrefix = "blocks.";
  if (name.substr(0, kPrefix.size()) != kPrefix) {
    return unknown;
  }
  int64_t block = 0;
  size_t at = kPrefix.size();
  const size_t digits_begin = at;
  for (; at < name.size() && name[at] >= '0' && name[at] <= '9' && block < kMaxBlocks; ++at) {
    block = block * 10 + (name[at] - '0');
  }
  if (at == digits_begin || block >= kMaxBlocks || at >= name.size() || name[at] != '.') {
    return unknown;
  }
  for (const KindName& entry : kBlockOps) {
    const OpId op{entry.kind, block};
    if (name == op.name()) {  // also refuses leading zeros
      return op;
    }
  }
  return unknown;
}

bool NormId::operator<(const NormId& other) const {
  auto order = [](const NormId& norm) {
    return std::make_tuple(norm.kind == Kind::kFinal ? kMaxBlocks : norm.block, static_cast<int>(norm.kind));
  };
  return order(*this) < order(other);
}

std::string NormId::name() const {
  return kind == Kind::kFinal ? "norm"
                              : "blocks." + std::to_string(block) + (kind == Kind::kNorm1 ? ".norm1" : ".norm2");
}

Result<NormId> ParseNorm(std::string_view name) {
  if (name == "norm") {
    return NormId{};
  }
  const size_t dot = name.rfind('.');
  if (dot != std::string_view::npos) {
    // The block's number is read as an op's is.
    const Result<OpId> op = ParseOp(std::string(name.substr(0, dot)) + ".attn.qkv");
    for (const NormId::Kind kind : {NormId::Kind::kNorm1, NormId::Kind::kNorm2}) {
      if (op.ok() && name == NormId{kind, op->block}.name()) {
        return NormId{kind, op->block};
      }
    }
  }
  return InvalidArgument("no LayerNorm is called '" + std::string(name.substr(0, 80)) + "'");
}

std::vector<NormId> AllNorms(const VitConfig& config) {
  std::vector<NormId> norms;
  for (int64_t block = 0; block < config.depth; ++block) {
    norms.push_back({NormId::Kind::kNorm1, block});
    norms.push_back({NormId::Kind::kNorm2, block});
  }
  norms.push_back({});
  return norms;
}

const char* Name(Side side) { return side == Side::kLeft ? "left" : "right"; }

std::vector<OpId> AllOps(const VitConfig& config) {
  std::vector<OpId> ops = {{OpKind::kPatchEmbed, -1}};
  for (int64_t block = 0; block < config.depth; ++block) {
    for (const KindName& entry : kBlockOps) {
      ops.push_back({entry.kind, block});
    }
  }
  ops.push_back({OpKind::kHead, -1});
  if (config.distilled) {
    ops.push_back({OpKind::kHeadDist, -1});
  }
  return ops;
}

OpShape ShapeOf(const OpId& op, const VitConfig& config) {
  const int64_t n = config.tokens();
  const int64_t c = config.width;
  const int64_t d = config.head_width();
  switch (op.kind) {
    case OpKind::kPatchEmbed:
      return {1, config.patches(), config.patch_elements(), c};
    case OpKind::kQkv:
      return {1, n, c, 3 * c};
    case OpKind::kQk:
      return {config.heads, n, d, n};
    case OpKind::kPv:
      return {config.heads, n, n, d};
    case OpKind::kProj:
      return {1, n, c, c};
    case OpKind::kFc1:
      return {1, n, c, config.mlp_hidden};
    case OpKind::kFc2:
      return {1, n, config.mlp_hidden, c};
    case OpKind::kHead:
    case OpKind::kHeadDist:
      return {1, 1, c, config.classes};
  }
  PTQ_CHECK(false);
  return {};
}

}  // namespace ptq::vit
