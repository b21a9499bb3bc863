#include "core/method/kept_params.h"

namespace ptq::method {

using nlohmann::json;

Error CorruptKeptPart(const std::string& fault) {
  return Corrupt("a kept part of the calibration cannot be read (" + fault +
                 "); delete the .calibration file beside the database, which loses time only");
}

Result<json> ReadKept(const std::string& value) {
  json parsed = json::parse(value, nullptr, false);
  if (parsed.is_discarded()) {
    return CorruptKeptPart("not JSON");
  }
  return parsed;
}

json ToKept(const quant::QuantParams& params) {
  return {{"grid", quant::Name(params.grid)},
          {"num_bits", params.num_bits},
          {"granularity", quant::Name(params.granularity)},
          {"axis", params.axis},
          {"scale", params.scale},
          {"zero_point", params.zero_point},
          {"second_scale", params.second_scale},
          {"channel_bits", params.channel_bits},
          {"correction", params.correction}};
}

Result<quant::QuantParams> ParamsFromKept(const json& object) {
  quant::QuantParams params;
  PTQ_ASSIGN_OR_RETURN(params.grid, quant::ParseGrid(object.at("grid").get<std::string>()));
  PTQ_ASSIGN_OR_RETURN(params.granularity, quant::ParseGranularity(object.at("granularity").get<std::string>()));
  object.at("num_bits").get_to(params.num_bits);
  object.at("axis").get_to(params.axis);
  object.at("scale").get_to(params.scale);
  object.at("zero_point").get_to(params.zero_point);
  params.second_scale = object.value("second_scale", std::vector<float>());
  params.channel_bits = object.value("channel_bits", std::vector<int32_t>());
  params.correction = object.value("correction", std::vector<float>());
  PTQ_RETURN_IF_ERROR(quant::Validate(params));
  return params;
}

}  // namespace ptq::method
