#include "baselines/all_baselines.h"

#include "baselines/aciq/aciq.h"
#include "baselines/bit_split/bit_split.h"
#include "baselines/easyquant/easyquant.h"
#include "baselines/fq_vit/fq_vit.h"
#include "baselines/kl/kl.h"
#include "baselines/lapq/lapq.h"
#include "baselines/min_max/min_max.h"
#include "baselines/mse/mse.h"
#include "baselines/percentile/percentile.h"
#include "baselines/ptq4vit/ptq4vit.h"
#include "baselines/repq_vit/repq_vit.h"
#include "core/liu/liu.h"

namespace ptq::baselines {

Status RegisterAllBaselines(method::Registry& registry) {
  // One line per method; explicit, so that a forgotten one is a missing row and not a link-time accident.
  PTQ_RETURN_IF_ERROR(registry.Add(MakePercentile()));
  PTQ_RETURN_IF_ERROR(registry.Add(MakeMinMax()));
  PTQ_RETURN_IF_ERROR(registry.Add(MakeKl()));
  PTQ_RETURN_IF_ERROR(registry.Add(MakeMse()));
  PTQ_RETURN_IF_ERROR(registry.Add(MakeEasyQuant()));
  PTQ_RETURN_IF_ERROR(registry.Add(MakeAciq()));
  PTQ_RETURN_IF_ERROR(registry.Add(MakeBitSplit()));
  PTQ_RETURN_IF_ERROR(registry.Add(MakeLapq()));
  PTQ_RETURN_IF_ERROR(registry.Add(MakePtq4Vit()));
  PTQ_RETURN_IF_ERROR(registry.Add(MakeRepqVit()));
  PTQ_RETURN_IF_ERROR(registry.Add(MakeFqVit()));
  PTQ_RETURN_IF_ERROR(registry.Add(liu::MakeLiu()));
  return OkStatus();
}

}  // namespace ptq::baselines
