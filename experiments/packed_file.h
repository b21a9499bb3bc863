// packed_file.h: a quantized model in one safetensors file, each weight in the bits that its plan gives it.
//
// Tensors: "packed.<weight>" (U8, one dimension: core/method/packed_codes.h), "float.<parameter>" (F32: every other
// parameter, those that the plan replaces already replaced), "plan.<...>" (what a plan file holds).  Metadata: "format"
// = "ptqbench-packed", "format_version", "model" (catalogue name), and the plan's own under "plan.".
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/method/plan.h"
#include "core/vit/model.h"

namespace ptq::experiments {

struct PackedModel {
  std::string model;                                      // catalogue name
  method::Plan plan;                                      // replaced_parameters: empty, they are below
  std::map<std::string, std::vector<std::byte>> weights;  // codes of quantized weights, by parameter name
  vit::TensorMap parameters;                              // every other parameter, float32

  int64_t packed_bytes() const;
};

// Errors: those of method::Validate; Unsupported: a weight on a grid that exists in simulation alone, named.
Result<PackedModel> Pack(const std::string& name, const vit::VitModel& model, const method::Plan& plan);

// The model of the codes' values: under packed.plan it gives the logits of the packed model bit for bit, in every
// executor, because quantizing the value of a code gives the code.  (A weight's correction stays in the plan.)
// Errors: Corrupt (codes or parameters that do not fit `config` or the plan).
Result<vit::VitModel> Unpack(const PackedModel& packed, const vit::VitConfig& config);

// Whether Unpack gives every quantized weight the codes that `model` has under `plan`.
// Errors: those of Unpack; Internal naming the first weight that does not.
Status CheckUnpacks(const PackedModel& packed, const vit::VitModel& model, const method::Plan& plan);

// Same content, same bytes.  Errors: Io.
Status WritePacked(const std::string& path, const PackedModel& packed);
// Errors: those of ReadSafetensors and method::Decode; Corrupt (another kind of file), Unsupported (a newer version).
Result<PackedModel> ReadPacked(const std::string& path);

}  // namespace ptq::experiments
