// pth.h: reads PyTorch's .pth state dicts without executing anything in them.
//
// The file is a zip (torch.save since 1.6) with data.pkl and one entry per storage.  The pickle is interpreted by a
// machine that knows dictionaries, lists, tuples, numbers, strings, OrderedDict, persistent ids of storages and
// torch._utils._rebuild_tensor_v2 / _rebuild_parameter, and refuses every other global by its name (pickle.h).
// A state dict may stand alone or under "model", "state_dict", "model_state_dict" or "model_ema" (in this order).
// What is read and made stays below 64 times the file's size and below 32 GiB, whatever the file claims.
#pragma once

#include <cstddef>
#include <string>

#include "core/base/error.h"
#include "core/vit/tensor_map.h"

namespace ptq::data {

// Tensors by their names in the file; non-contiguous tensors are made contiguous; entries that are no tensors are
// passed over.  Errors: NotFound, Io, Corrupt, Unsupported (a foreign global, a compressed or pre-1.6 file).
Result<vit::TensorMap> ReadPth(const std::string& path);
Result<vit::TensorMap> ParsePth(const std::byte* bytes, size_t size, const std::string& where);

}  // namespace ptq::data
