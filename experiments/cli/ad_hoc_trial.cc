#include "experiments/cli/ad_hoc_trial.h"

#include <cerrno>
#include <cstdlib>
#include <map>
#include <utility>

#include "experiments/bit_widths.h"
#include "experiments/cli/session.h"

namespace ptq::experiments::cli {
namespace {

// "0.999" -> double, "true" -> bool, "8" -> integer, anything else -> string.
method::ParameterValue ParseValue(const std::string& text) {
  if (text == "true" || text == "false") {
    return text == "true";
  }
  char* end = nullptr;
  errno = 0;
  const long long integer = std::strtoll(text.c_str(), &end, 10);
  if (!text.empty() && *end == '\0' && errno == 0) {
    return static_cast<int64_t>(integer);
  }
  const double number = std::strtod(text.c_str(), &end);
  if (!text.empty() && *end == '\0') {
    return number;
  }
  return text;
}

}  // namespace

Result<Trial> AdHocTrial(const QuantizeFlags& flags, const method::Registry& registry, Workspace& workspace) {
  Trial trial;
  PTQ_ASSIGN_OR_RETURN(trial.method, AsUsage(registry.Find(flags.method)));
  std::map<std::string, method::ParameterValue> given;
  for (const std::string& parameter : flags.parameters) {
    const size_t equals = parameter.find('=');
    if (equals == std::string::npos) {
      return InvalidArgument("--parameter '" + parameter + "' must be name=value");
    }
    given[parameter.substr(0, equals)] = ParseValue(parameter.substr(equals + 1));
  }
  PTQ_ASSIGN_OR_RETURN(const BitWidths bits, ParseBitWidths(flags.bits, "--bits"));
  trial.scheme.weight_bits = bits.weight;
  trial.scheme.activation_bits = bits.activation;
  trial.scheme.mixed = bits.mixed;
  PTQ_ASSIGN_OR_RETURN(trial.parameters,
                       method::Parameters::Resolve(trial.method->info().parameters, given, bits.mixed));
  PTQ_ASSIGN_OR_RETURN(trial.scheme.weight_granularity, quant::ParseGranularity(flags.weight_granularity));
  trial.scheme.patch_input_bits = flags.patch_input_bits;
  PTQ_RETURN_IF_ERROR(method::Validate(trial.scheme));
  auto workload = std::make_shared<Workload>();
  PTQ_ASSIGN_OR_RETURN(workload->model, AsUsage(workspace.models().Find(flags.model)));
  PTQ_ASSIGN_OR_RETURN(workload->calibration_dataset, AsUsage(workspace.datasets().Find(flags.calibration_dataset)));
  PTQ_RETURN_IF_ERROR(CheckCalibrationRole(*workload->calibration_dataset));
  PTQ_ASSIGN_OR_RETURN(workload->weights, workspace.FindWeights(workload->model));
  PTQ_ASSIGN_OR_RETURN(workload->calibration, workspace.Dataset(*workload->calibration_dataset));
  const auto available = static_cast<int64_t>(workload->calibration.dataset->samples().size());
  if (flags.calibration_images < 1 || flags.calibration_images > available) {
    return InvalidArgument("--calibration-images is " + std::to_string(flags.calibration_images) + "; " +
                           flags.calibration_dataset + " has " + std::to_string(available) + " images");
  }
  trial.seed = flags.seed;
  trial.calibration_indices =
      DrawCalibrationImages(*workload->calibration.dataset, flags.calibration_images, flags.seed);
  trial.workload = std::move(workload);
  return trial;
}

}  // namespace ptq::experiments::cli
