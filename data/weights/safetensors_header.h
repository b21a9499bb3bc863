// safetensors_header.h: the JSON header of a safetensors file, before its ranges are compared with the file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/vit/tensor_map.h"

namespace ptq::data {

constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;  // the reference implementation's bound

struct SafetensorsEntry {
  std::string name;
  vit::DType dtype = vit::DType::kF32;
  std::vector<int64_t> shape;  // not negative; the product from left to right fits int64_t
  uint64_t begin = 0;          // in the data section; end - begin is what dtype and shape need
  uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in the order of the header; names are unique
  std::map<std::string, std::string> metadata;
};

// Reads the header with a streaming parser: nesting beyond the format's three levels stops it at once.
// Errors: Corrupt (JSON, structure, duplicate names, shapes, sizes), Unsupported (dtype); `where` goes into each.
Result<SafetensorsHeader> ParseSafetensorsHeader(std::string_view json, const std::string& where);

}  // namespace ptq::data
