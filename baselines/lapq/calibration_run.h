// calibration_run.h: one LAPQ calibration: layer-wise step sizes, the choice of p, the joint search, the plan.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "baselines/lapq/joint_search.h"
#include "baselines/lapq/network_loss.h"
#include "baselines/lapq/p_choice.h"
#include "baselines/lapq/step_sizes.h"
#include "core/method/method.h"

namespace ptq::baselines::lapq {

class CalibrationRun {
 public:
  // `inputs` outlive this object.
  explicit CalibrationRun(const method::QuantizeInputs& inputs) : inputs_(inputs) {}

  // Errors: those of the calibration; Unsupported where the loss needs labels and there are none; Interrupted.
  Result<method::Plan> Quantize();

 private:
  enum Part : size_t { kFitted = 0, kHeldOut = 1 };

  Result<std::vector<int64_t>> ReadLabels() const;
  // Splits the images into parts_of_ and gives each its network loss.
  Status ReadImages(const std::vector<int64_t>& labels);
  Status ChoosePower();
  Status Optimise();
  method::Plan MakePlan() const;

  // Makes layer_wise_ the step sizes of this p, unstretched.
  Status SetLayerWise(double p);
  // The loss of a part at step sizes stretched by x; from the checkpoint where it is known there.
  Result<double> Loss(Part part, const std::vector<double>& x);
  // Quantizes what differs from the last evaluation.
  void Apply(const std::vector<double>& x);
  std::string Key(Part part, const std::vector<double>& x) const;

  const method::QuantizeInputs& inputs_;
  std::vector<int64_t> indices_[2];  // of the images of each part, ascending
  std::unique_ptr<StepSizes> steps_;
  std::unique_ptr<NetworkLoss> network_;
  std::vector<quant::QuantParams> layer_wise_;
  std::string layer_wise_digest_;
  std::vector<double> applied_;  // x of the network's present operands; empty where it has others
  int64_t p_evaluations_ = 0;
  PChoice chosen_;
  JointResult joint_;
};

}  // namespace ptq::baselines::lapq
