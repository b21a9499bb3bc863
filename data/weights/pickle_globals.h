// pickle_globals.h: which globals a state dict may name, and what calling one of them means.
#pragma once

#include <optional>
#include <string>

#include "core/base/error.h"
#include "data/weights/pickle.h"

namespace ptq::data {

// Whether `name` ("module.name") is known.
bool IsKnownGlobal(const std::string& name);

// The dtype of "torch.FloatStorage" and its like.
std::optional<vit::DType> StorageDType(const std::string& name);

// The argument that `global` hands back as it is (torch.Size, _rebuild_parameter), or null.
PickleValue* PassedThrough(const PickleValue& global, const PickleValue& arguments);

// The new value of `global`(*arguments): a dictionary, a tensor or an opaque value.  Messages without a place.
// Errors: Corrupt where the arguments are not those of the global.
Result<PickleValue> CallGlobal(const PickleValue& global, const PickleValue& arguments);

// The storage that a persistent id ('storage', torch.FloatStorage, key, location, elements) names.  Errors: Corrupt.
Result<PickleValue> StorageOf(const PickleValue& persistent_id);

}  // namespace ptq::data
