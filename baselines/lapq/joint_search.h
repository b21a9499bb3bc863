// joint_search.h: all step sizes together (LAPQ, stage 3): an optimizer looks for a lower loss on the fitted images,
// and held-out images decide what is kept.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "baselines/lapq/minimize.h"

namespace ptq::baselines::lapq {

struct JointResult {
  std::vector<double> x;  // the best accepted point
  double start_loss = 0, loss = 0;
  double start_held_out_loss = 0, held_out_loss = 0;  // 0 without held-out images
  int64_t evaluations = 0;                            // of the fitted images, the start's not counted
  int64_t held_out_evaluations = 0;
  int64_t accepted = 0, rejected = 0;
  std::string stop;  // Minimum::stop
};

// From the origin of `coordinates` dimensions.  A point whose fitted loss is below the best accepted one's by more than
// a hundred-thousandth of it is asked for its held-out loss and accepted unless that is above the best accepted one's.
// A rejected point is shown to the optimizer as worse than the best accepted one by as much as it worsens the held-out
// loss, so that the search does not go on from there.
// held_out: empty where no images are held out; then every improvement is accepted.
// after_each: called after each evaluation with the state so far.
Result<JointResult> SearchJointly(size_t coordinates, const Objective& fitted, const Objective& held_out,
                                  const MinimizeOptions& options,
                                  const std::function<void(const JointResult&)>& after_each);

}  // namespace ptq::baselines::lapq
