// kept_params.h: what methods write into the checkpoint: JSON, with QuantParams as objects.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "core/base/error.h"
#include "core/quant/quant_params.h"

namespace ptq::method {

// Corrupt, with the mend: the file beside the database was changed by someone else.
Error CorruptKeptPart(const std::string& fault);

// A kept value as JSON.  Errors: CorruptKeptPart.
Result<nlohmann::json> ReadKept(const std::string& value);

// Every field of the parameters, and back.
nlohmann::json ToKept(const quant::QuantParams& params);
// The last three fields may be absent.  Throws nlohmann::json::exception where another is, or has another type. Errors:
// those of the parsers and of quant::Validate.
Result<quant::QuantParams> ParamsFromKept(const nlohmann::json& object);

}  // namespace ptq::method
