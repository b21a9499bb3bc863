#include "baselines/lapq/joint_search.h"

namespace ptq::baselines::lapq {
namespace {

// Losses that differ by less are the same to us (the paper's code takes any improvement).
constexpr double kLeastImprovement = 1e-5;

}  // namespace

Result<JointResult> SearchJointly(size_t coordinates, const Objective& fitted, const Objective& held_out,
                                  const MinimizeOptions& options,
                                  const std::function<void(const JointResult&)>& after_each) {
  JointResult best;
  best.x.assign(coordinates, 0.0);
  PTQ_ASSIGN_OR_RETURN(best.start_loss, fitted(best.x));
  best.loss = best.start_loss;
  if (held_out) {
    PTQ_ASSIGN_OR_RETURN(best.start_held_out_loss, held_out(best.x));
    best.held_out_loss = best.start_held_out_loss;
    ++best.held_out_evaluations;
  }
  const auto judge = [&](const std::vector<double>& x, double loss) -> Result<double> {
    if (!(loss < best.loss - kLeastImprovement * best.loss)) {
      return loss;
    }
    if (held_out) {
      PTQ_ASSIGN_OR_RETURN(const double held_out_loss, held_out(x));
      ++best.held_out_evaluations;
      if (!(held_out_loss <= best.held_out_loss)) {
        ++best.rejected;
        return best.loss + (held_out_loss - best.held_out_loss);
      }
      best.held_out_loss = held_out_loss;
    }
    ++best.accepted;
    best.x = x;
    best.loss = loss;
    return loss;
  };
  const Objective objective = [&](const std::vector<double>& x) -> Result<double> {
    PTQ_ASSIGN_OR_RETURN(const double loss, fitted(x));
    ++best.evaluations;
    const Result<double> shown = judge(x, loss);
    after_each(best);
    return shown;
  };
  PTQ_ASSIGN_OR_RETURN(const Minimum minimum, Minimize(objective, best.x, options));
  best.stop = minimum.stop;
  return best;
}

}  // namespace ptq::baselines::lapq
