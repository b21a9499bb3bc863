#include "data/weights/checkpoint.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "core/vit/parameters.h"
#include "data/weights/byte_source.h"
#include "data/weights/pth.h"
#include "data/weights/safetensors.h"

namespace ptq::data {
namespace {

struct Rename {
  std::string_view from;
  std::string_view to;
};

constexpr std::array<Rename, 8> kHuggingFaceOuter = {{
    {"embeddings.cls_token", "cls_token"},
    {"embeddings.distillation_token", "dist_token"},
    {"embeddings.position_embeddings", "pos_embed"},
    {"embeddings.patch_embeddings.projection.", "patch_embed.proj."},
    {"layernorm.", "norm."},
    {"classifier.", "head."},
    {"cls_classifier.", "head."},
    {"distillation_classifier.", "head_dist."},
}};

// Inside "encoder.layer.N.", which becomes "blocks.N.".
constexpr std::array<Rename, 6> kHuggingFaceBlock = {{
    {"layernorm_before.", "norm1."},
    {"layernorm_after.", "norm2."},
    {"attention.output.dense.", "attn.proj."},
    {"intermediate.dense.", "mlp.fc1."},
    {"output.dense.", "mlp.fc2."},
    {"attention.attention.", "attn."},  // query, key, value: stacked afterwards
}};

constexpr std::array<std::string_view, 2> kUnusedByClassifiers = {"embeddings.mask_token", "pooler."};

bool HasPrefix(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

template <size_t size>
std::string Renamed(std::string_view name, const std::array<Rename, size>& table) {
  for (const Rename& entry : table) {
    // An entry that ends in '.' is a prefix, another one is a whole name.
    if (entry.from.back() == '.' ? HasPrefix(name, entry.from) : name == entry.from) {
      return std::string(entry.to) + std::string(name.substr(entry.from.size()));
    }
  }
  return std::string(name);
}

std::string_view WithoutModelPrefix(std::string_view name) {
  for (const std::string_view prefix : {"vit.", "deit."}) {
    if (HasPrefix(name, prefix)) {
      return name.substr(prefix.size());
    }
  }
  return name;
}

std::string FromHuggingFace(std::string_view name) {
  constexpr std::string_view kLayer = "encoder.layer.";
  name = WithoutModelPrefix(name);
  if (!HasPrefix(name, kLayer)) {
    return Renamed(name, kHuggingFaceOuter);
  }
  name.remove_prefix(kLayer.size());
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos) {
    return "blocks." + std::string(name);
  }
  return "blocks." + std::string(name.substr(0, dot + 1)) + Renamed(name.substr(dot + 1), kHuggingFaceBlock);
}

bool IsHuggingFace(const vit::TensorMap& tensors) {
  return std::any_of(tensors.begin(), tensors.end(), [](const auto& item) {
    const std::string_view name = WithoutModelPrefix(item.first);
    return name.size() != item.first.size() || HasPrefix(name, "embeddings.") || HasPrefix(name, "encoder.layer.");
  });
}

Status Insert(std::string name, vit::HostTensor tensor, const std::string& where, vit::TensorMap* tensors) {
  if (!tensors->emplace(name, std::move(tensor)).second) {
    return InvalidArgument("two tensors of the file stand for " + Quoted(name) + "; keep one of them", where);
  }
  return OkStatus();
}

// Drops a prefix that every name has, as often as there is one.
vit::TensorMap WithoutCommonPrefix(vit::TensorMap tensors) {
  for (size_t round = 0; round < 4 && !tensors.empty(); ++round) {
    std::string_view common;
    for (const std::string_view prefix : {"module.", "model."}) {
      if (std::all_of(tensors.begin(), tensors.end(),
                      [&](const auto& item) { return HasPrefix(item.first, prefix); })) {
        common = prefix;
      }
    }
    if (common.empty()) {
      break;
    }
    vit::TensorMap shorter;
    for (auto& [name, tensor] : tensors) {
      shorter.emplace(name.substr(common.size()), std::move(tensor));
    }
    tensors = std::move(shorter);
  }
  return tensors;
}

Result<vit::HostTensor> Stack(const std::string& name, const std::array<const vit::HostTensor*, 3>& parts,
                              const std::string& where) {
  for (const vit::HostTensor* part : parts) {
    if (part->shape != parts[0]->shape || part->dtype != parts[0]->dtype || part->shape.empty()) {
      return InvalidArgument("query, key and value do not fit together in " + Quoted(name) + ": they are " +
                                 vit::Name(parts[0]->dtype) + " " + parts[0]->ShapeString() + ", " +
                                 vit::Name(parts[1]->dtype) + " " + parts[1]->ShapeString() + " and " +
                                 vit::Name(parts[2]->dtype) + " " + parts[2]->ShapeString(),
                             where);
    }
  }
  vit::HostTensor stacked{parts[0]->dtype, parts[0]->shape, nullptr};
  if (__builtin_mul_overflow(stacked.shape[0], int64_t{3}, &stacked.shape[0])) {
    return InvalidArgument("the shape of " + Quoted(name) + " overflows 63 bits", where);
  }
  auto bytes = std::make_shared<std::vector<std::byte>>();
  bytes->reserve(3 * parts[0]->bytes->size());
  for (const vit::HostTensor* part : parts) {
    bytes->insert(bytes->end(), part->bytes->begin(), part->bytes->end());
  }
  stacked.bytes = std::move(bytes);
  return stacked;
}

// "blocks.N.attn.query.weight" and its two companions become "blocks.N.attn.qkv.weight".
Result<vit::TensorMap> WithStackedAttention(vit::TensorMap tensors, const std::string& where) {
  constexpr std::array<std::string_view, 3> kParts = {".attn.query.", ".attn.key.", ".attn.value."};
  vit::TensorMap out;
  for (const auto& [name, tensor] : tensors) {
    size_t part = 0;
    while (part < kParts.size() && (!HasPrefix(name, "blocks.") || name.find(kParts[part]) == std::string::npos)) {
      ++part;
    }
    if (part == kParts.size()) {
      PTQ_RETURN_IF_ERROR(Insert(name, tensor, where, &out));
      continue;
    }
    const size_t at = name.find(kParts[part]);
    const std::string before = name.substr(0, at);
    const std::string after = name.substr(at + kParts[part].size());
    std::array<const vit::HostTensor*, 3> found = {};
    for (size_t i = 0; i < kParts.size(); ++i) {
      const auto it = tensors.find(before + std::string(kParts[i]) + after);
      if (it == tensors.end()) {
        return InvalidArgument("the file has " + Quoted(name) + " without " +
                                   Quoted(before + std::string(kParts[i]) + after) +
                                   " (Hugging Face's attention.attention); query, key and value belong together",
                               where);
      }
      found[i] = &it->second;
    }
    if (part == 0) {
      const std::string stacked_name = before + ".attn.qkv." + after;
      PTQ_ASSIGN_OR_RETURN(vit::HostTensor stacked, Stack(stacked_name, found, where));
      PTQ_RETURN_IF_ERROR(Insert(stacked_name, std::move(stacked), where, &out));
    }
  }
  return out;
}

bool IsUnused(std::string_view name) {
  name = WithoutModelPrefix(name);
  return name == kUnusedByClassifiers[0] || HasPrefix(name, kUnusedByClassifiers[1]);
}

Result<vit::TensorMap> ReadAny(const std::string& path) {
  std::byte magic[9] = {};
  {
    PTQ_ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> source, OpenFileSource(path));
    PTQ_RETURN_IF_ERROR(source->Read(0, magic, std::min<uint64_t>(source->size(), sizeof(magic))));
  }
  // A safetensors header may have any length, also one that looks like another format's magic; then its JSON begins.
  const bool is_safetensors = magic[8] == std::byte{'{'};
  const bool is_zip = std::memcmp(magic, "PK\x03\x04", 4) == 0;
  const bool is_pickle = magic[0] == std::byte{0x80} && magic[1] >= std::byte{2} && magic[1] <= std::byte{5};
  if (!is_safetensors && (is_zip || is_pickle)) {
    return ReadPth(path);
  }
  PTQ_ASSIGN_OR_RETURN(SafetensorsFile file, ReadSafetensors(path));
  return std::move(file.tensors);
}

}  // namespace

Result<vit::TensorMap> CanonicalNames(vit::TensorMap tensors, const std::string& where) {
  tensors = WithoutCommonPrefix(std::move(tensors));
  if (IsHuggingFace(tensors)) {
    vit::TensorMap renamed;
    for (auto& [name, tensor] : tensors) {
      if (!IsUnused(name)) {
        PTQ_RETURN_IF_ERROR(Insert(FromHuggingFace(name), std::move(tensor), where, &renamed));
      }
    }
    PTQ_ASSIGN_OR_RETURN(tensors, WithStackedAttention(std::move(renamed), where));
  }
  for (const auto& [name, tensor] : tensors) {
    if (HasPrefix(name, "pre_logits.")) {
      return Unsupported("tensor " + Quoted(name) + " " + tensor.ShapeString() +
                             " belongs to a layer between norm and head, which this model does not compute; take a "
                             "checkpoint without pre_logits",
                         where);
    }
  }
  return tensors;
}

Result<vit::TensorMap> ReadCheckpoint(const std::string& path, const vit::VitConfig& config) {
  PTQ_ASSIGN_OR_RETURN(vit::TensorMap tensors, ReadAny(path));
  PTQ_ASSIGN_OR_RETURN(tensors, CanonicalNames(std::move(tensors), path));
  const Status status = vit::CheckParameters(config, tensors);
  if (!status.ok()) {
    return Error{status.error().code, status.error().message, path};
  }
  return tensors;
}

}  // namespace ptq::data
