// safetensors_fuzz.cc: any bytes as a safetensors file; what is accepted must survive writing and reading again.

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/base/check.h"
#include "data/weights/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ptq::data::ParseSafetensors;
  const auto file = ParseSafetensors(reinterpret_cast<const std::byte*>(data), size, "input");
  if (!file.ok()) {
    return 0;
  }
  for (const auto& [name, tensor] : file->tensors) {
    PTQ_CHECK(static_cast<int64_t>(tensor.bytes->size()) == tensor.elements() * ptq::vit::SizeOf(tensor.dtype)) << name;
  }
  const std::string bytes = ptq::data::SerializeSafetensors(*file);
  const auto again = ParseSafetensors(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), "written");
  PTQ_CHECK(again.ok()) << again.error().ToString();
  PTQ_CHECK(again->metadata == file->metadata && ptq::data::SerializeSafetensors(*again) == bytes);
  return 0;
}
