#include "baselines/all_baselines.h"

#include "baselines/min_max/min_max.h"
#include "baselines/percentile/percentile.h"
#include "core/liu/liu.h"

namespace ptq::baselines {

Status RegisterAllBaselines(method::Registry& registry) {
  // One line per method; explicit, so that a forgotten one is a missing row and not a link-time accident.
  PTQ_RETURN_IF_ERROR(registry.Add(MakePercentile()));
  PTQ_RETURN_IF_ERROR(registry.Add(MakeMinMax()));
  PTQ_RETURN_IF_ERROR(registry.Add(liu::MakeLiu()));
  return OkStatus();
}

}  // namespace ptq::baselines
