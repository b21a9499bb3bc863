// checkpoint.h: a weight file of any supported kind as the tensors that core/vit wants.
#pragma once

#include <string>

#include "core/base/error.h"
#include "core/vit/config.h"
#include "core/vit/tensor_map.h"

namespace ptq::data {

// Reads a .safetensors or .pth/.pt/.bin file (told apart by content, not by name) and renames its tensors with
// CanonicalNames.  The result satisfies vit::CheckParameters(config).
// Errors: those of the readers and of CanonicalNames; those of CheckParameters with `path` as where.
Result<vit::TensorMap> ReadCheckpoint(const std::string& path, const vit::VitConfig& config);

// The renaming alone, to timm's names.  timm's own pass unchanged; a prefix "module." or "model." that all names share
// is dropped; Hugging Face's (ViTForImageClassification, DeiTForImageClassificationWithTeacher, with or without "vit."
// and "deit.") are mapped, their query, key and value stacked in this order.  Only what no classifier's forward pass
// uses is dropped: Hugging Face's mask_token and pooler.
// Errors: InvalidArgument where q, k, v of a block do not fit together or two names become one; Unsupported for
// "pre_logits.*", a layer between norm and head.
Result<vit::TensorMap> CanonicalNames(vit::TensorMap tensors, const std::string& where);

}  // namespace ptq::data
