#include "experiments/revision.h"

namespace ptq::experiments {

std::string StampedRevision() {
  return
#include "experiments/stamped_revision.inc"
      ;
}

}  // namespace ptq::experiments
