// safetensors.h: reads and writes the safetensors format, defensively.
//
// A file is: u64 header length, a JSON header {name: {dtype, shape, data_offsets}, "__metadata__": {string: string}},
// then the tensors' bytes.  The reader trusts nothing: header length, JSON, duplicate names, dtypes, negative or
// overflowing shapes, ranges outside the file, ranges that overlap or leave holes, sizes that do not match shapes are
// each a Corrupt error that names the file and the tensor.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "core/base/error.h"
#include "core/vit/tensor_map.h"

namespace ptq::data {

struct SafetensorsFile {
  vit::TensorMap tensors;
  std::map<std::string, std::string> metadata;  // "__metadata__"
};

// The file's tensors are read one by one: at no time are two copies in memory.
// Errors: NotFound (no such file), Io, Corrupt, Unsupported (a dtype that DType lacks).
Result<SafetensorsFile> ReadSafetensors(const std::string& path);

// The same from memory; `where` names the source in errors.
Result<SafetensorsFile> ParseSafetensors(const std::byte* bytes, size_t size, const std::string& where);

// The canonical bytes: header names in ascending order, data of wider elements first and then by name, so that the
// data begins at a multiple of 8 and each tensor at a multiple of its element; same content, same bytes.
// No tensor may be called "__metadata__".  Names and metadata are UTF-8; what is not becomes U+FFFD.
std::string SerializeSafetensors(const SafetensorsFile& file);

// Writes beside `path`, flushes to disk and renames, so that a reader sees the old file or the whole new one.
// Errors: Io (with the system's reason: full disk, permission), InvalidArgument (a tensor called "__metadata__").
Status WriteSafetensors(const std::string& path, const SafetensorsFile& file);

}  // namespace ptq::data
