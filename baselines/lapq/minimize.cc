#include "baselines/lapq/minimize.h"

#include <nlopt.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <memory>
#include <utility>

namespace ptq::baselines::lapq {
namespace {

struct Named {
  const char* name;
  Optimizer optimizer;
  nlopt_algorithm algorithm;
};
constexpr Named kOptimizers[] = {
    {"praxis", Optimizer::kPraxis, NLOPT_LN_PRAXIS},
    {"sbplx", Optimizer::kSbplx, NLOPT_LN_SBPLX},
    {"bobyqa", Optimizer::kBobyqa, NLOPT_LN_BOBYQA},
    {"cobyla", Optimizer::kCobyla, NLOPT_LN_COBYLA},
};

nlopt_algorithm AlgorithmOf(Optimizer optimizer) {
  const auto* it = std::find_if(std::begin(kOptimizers), std::end(kOptimizers),
                                [&](const Named& each) { return each.optimizer == optimizer; });
  return it->algorithm;
}

// One minimisation, as NLopt's callback sees it.
class Run {
 public:
  Run(const Objective& objective, const MinimizeOptions& options, nlopt_opt opt)
      : objective_(objective), options_(options), opt_(opt) {
    best_.value = std::numeric_limits<double>::infinity();
  }

  static double Call(unsigned n, const double* x, double*, void* self) {
    return static_cast<Run*>(self)->Evaluate({x, x + n});
  }

  const Status& status() const { return status_; }
  Minimum& best() { return best_; }
  bool out_of_budget() const { return best_.evaluations >= options_.evaluations; }

 private:
  double Evaluate(std::vector<double> x) {
    // Some algorithms ask once more after they were told to stop, and PRAXIS does not count all its calls.
    if (out_of_budget() || !status_.ok()) {
      nlopt_force_stop(opt_);
      return Worse();
    }
    if (options_.bound > 0) {
      for (double& each : x) {
        each = std::clamp(each, -options_.bound, options_.bound);
      }
    }
    const Result<double> asked = Ask(x);
    ++best_.evaluations;
    if (!asked.ok()) {
      status_ = asked.error();
      nlopt_force_stop(opt_);
      return Worse();
    }
    const double value = std::isfinite(*asked) ? *asked : Worse();
    worst_ = std::max(worst_, value);
    if (value < best_.value) {
      best_.value = value;
      best_.x = std::move(x);
    }
    if (out_of_budget()) {
      nlopt_force_stop(opt_);
    }
    return value;
  }

  // More than every value so far, and of their size: COBYLA loops for ever over infinities and the largest numbers.
  double Worse() const {
    return std::isfinite(best_.value) ? worst_ + (worst_ - best_.value) + 1e-3 * std::abs(worst_) : 1.0;
  }

  // No exception may cross NLopt's C frames.
  Result<double> Ask(const std::vector<double>& x) const {
    try {
      return objective_(x);
    } catch (const std::exception& fault) {
      return Internal(fault.what());
    }
  }

  const Objective& objective_;
  const MinimizeOptions& options_;
  nlopt_opt opt_;
  Minimum best_;
  double worst_ = -std::numeric_limits<double>::infinity();
  Status status_;
};

std::string Word(nlopt_result result) {
  switch (result) {
    case NLOPT_FTOL_REACHED:
      return "f_tolerance";
    case NLOPT_XTOL_REACHED:
      return "x_tolerance";
    case NLOPT_ROUNDOFF_LIMITED:
      return "roundoff";
    default:
      return "converged";
  }
}

}  // namespace

Result<Optimizer> ParseOptimizer(const std::string& name) {
  std::string known;
  for (const Named& each : kOptimizers) {
    if (name == each.name) {
      return each.optimizer;
    }
    known += std::string(known.empty() ? "" : ", ") + each.name;
  }
  return InvalidArgument("there is no optimizer '" + name + "'; there are " + known);
}

Result<Minimum> Minimize(const Objective& objective, const std::vector<double>& start, const MinimizeOptions& options) {
  PTQ_CHECK(start.size() >= 2 && options.evaluations > 0) << start.size() << ", " << options.evaluations;
  const auto n = static_cast<unsigned>(start.size());
  const std::unique_ptr<nlopt_opt_s, decltype(&nlopt_destroy)> opt(nlopt_create(AlgorithmOf(options.optimizer), n),
                                                                   &nlopt_destroy);
  if (opt == nullptr) {
    return Internal("NLopt could not be set up for " + std::to_string(n) + " coordinates");
  }
  Run run(objective, options, opt.get());
  nlopt_set_min_objective(opt.get(), &Run::Call, &run);
  nlopt_set_initial_step1(opt.get(), options.step);
  nlopt_set_xtol_abs1(opt.get(), options.x_tolerance);
  nlopt_set_ftol_rel(opt.get(), options.f_tolerance);
  // PRAXIS knows bounds only as walls of infinite height, which spoil its parabolas; the objective is clamped for it.
  if (options.bound > 0 && options.optimizer != Optimizer::kPraxis) {
    nlopt_set_lower_bounds1(opt.get(), -options.bound);
    nlopt_set_upper_bounds1(opt.get(), options.bound);
  }
  nlopt_srand(static_cast<unsigned long>(options.seed & 0xffffffffU));
  std::vector<double> x = start;
  double value = 0;
  const nlopt_result result = nlopt_optimize(opt.get(), x.data(), &value);
  PTQ_RETURN_IF_ERROR(run.status());
  if (run.best().x.empty()) {
    const char* reason = nlopt_get_errmsg(opt.get());
    return Internal(std::string("NLopt refused to minimise: ") +
                    (reason != nullptr ? reason : nlopt_result_to_string(result)));
  }
  Minimum minimum = run.best();
  minimum.stop = run.out_of_budget() ? "budget" : Word(result);
  return minimum;
}

}  // namespace ptq::baselines::lapq
