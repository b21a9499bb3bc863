// method.h: the contract of a post-training quantization method.  Start here to write a plugin.
//
// A method answers three questions and does nothing else:
//   info()      who are you, and which parameters do you take?
//   Supports()  can you meet this scheme?  If not: why.
//   Quantize()  the model and the calibration images in, a Plan (plan.h) out.
// The harness does the rest: it reads weights and images, executes the plan, measures accuracy, size and time, and
// stores them.  So a method never reads a file, a clock or the evaluation set, reads labels of calibration images only
// where NeedsLabels() says so, keeps no state between calls, leaves the model untouched, and takes every random number
// from the stream it is given: same inputs, same plan, bit for bit, whatever the number of threads.
//
// How to add one: docs/adding_a_method.md; the folder to copy: baselines/skeleton.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/checkpoint.h"
#include "core/base/error.h"
#include "core/base/progress.h"
#include "core/base/random.h"
#include "core/calib/calibration.h"
#include "core/method/parameters.h"
#include "core/method/plan.h"
#include "core/method/scheme.h"
#include "core/vit/model.h"

namespace ptq::method {

struct MethodInfo {
  std::string id;            // "percentile"; lower case, digits and '_'
  int version = 1;           // rises with every change that moves a number; results of versions are never mixed
  std::string summary;       // one sentence
  std::string citation;      // paper or tool, venue, year
  std::string published_as;  // the method's name in results/published/*.csv ("Percentile"); empty: not published there
  std::vector<ParameterSpec> parameters;
  bool mixes_bits = false;  // can meet Scheme::mixed
  // Holds the inputs of all stages at once, as backpropagation through the network needs them: memory grows with depth
  // by one residual stream (images x tokens x width floats) per block.  Other methods hold one stage's activations.
  bool keeps_stage_inputs = false;

  std::string versioned_id() const { return id + "@" + std::to_string(version); }
};

// What Quantize() may use.
struct QuantizeInputs {
  const vit::VitModel& model;       // float32, shared, never written to
  calib::Calibration& calibration;  // the model over the calibration images, stage by stage
  const Scheme& scheme;             // Supports() said yes to it
  const Parameters& parameters;     // resolved against info().parameters
  RandomStream random;              // derived from the trial's seed
  Progress& progress;               // ask stop_requested() at safe points in long loops and return Interrupted
  // Finished parts of a long calibration, shared by every trial of this method version on the same weights and
  // calibration images: a key names what else the part depends on (op, bits, parameters).  A hit never changes a plan.
  Checkpoint& checkpoint;
};

class Method {
 public:
  virtual ~Method() = default;

  virtual const MethodInfo& info() const = 0;

  // Ok, or Unsupported with one sentence of reason, which is stored as the trial's outcome.
  virtual Status Supports(const Scheme& scheme, const Parameters& parameters, const vit::VitConfig& config) const = 0;

  // Whether Quantize() asks the calibration for labels under these parameters; where it says no, there are none to
  // read.
  virtual bool NeedsLabels(const Parameters& parameters) const {
    (void)parameters;
    return false;
  }

  // A plan that quantizes exactly the operands that the scheme covers, at the scheme's bits (Scheme::mixed: at bits of
  // the method's choice, with Plan::allocation saying how they came about).  Weight granularity is the scheme's, but
  // for two freedoms: per tensor, the fused qkv weight may count as the three linears that it is, and then has
  // per-channel parameters whose rows of q, of k and of v each share one scale and zero point; and the patch embedding
  // may have a scale per row.  The harness fills plan.method, scheme, parameters and weights_sha256. Errors: those of
  // the calibration; InvalidArgument naming the op for weights or activations that are not finite.
  virtual Result<Plan> Quantize(const QuantizeInputs& inputs) const = 0;
};

// What the harness asks before Quantize: Method::Supports, and Unsupported where the scheme is mixed and the method is
// not.
Status CheckSupport(const Method& method, const Scheme& scheme, const Parameters& parameters,
                    const vit::VitConfig& config);

// The operands that a scheme quantizes, in the order of execution.
std::vector<vit::OperandId> CoveredOperands(const Scheme& scheme, const vit::VitConfig& config);

// Those of `operands` that are activations: what calibration statistics are needed for.
std::vector<vit::OperandId> Activations(const std::vector<vit::OperandId>& operands);

// The registered methods, in the order in which they were added (the order of tables).
class Registry {
 public:
  // InvalidArgument for an id that is malformed or already there.
  Status Add(std::unique_ptr<Method> method);
  // NotFound with the nearest id and the whole list.
  Result<const Method*> Find(const std::string& id) const;
  const std::vector<std::unique_ptr<Method>>& methods() const { return methods_; }

 private:
  std::vector<std::unique_ptr<Method>> methods_;
};

}  // namespace ptq::method
