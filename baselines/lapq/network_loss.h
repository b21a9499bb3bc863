// network_loss.h: the loss of the whole quantized network on a fixed list of images, re-run only from where a step size
// changed.
//
// Losses are the same bit for bit however they came about (changed one operand at a time or all anew) and for every
// number of threads: a batch is computed by one thread alone, and images are summed in their order.
// Memory: the images and, of each, the inputs of at most five stages, however deep the model is: a quarter of the
// stages apart, and where the last change began.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/base/error.h"
#include "core/method/fake_quant_engine.h"
#include "core/vit/model.h"

namespace ptq::baselines::lapq {

// Images that are scored together.  n images, K classes.
struct ScoredImages {
  at::Tensor images;            // (n, channels, S, S), n > 0
  std::vector<int64_t> labels;  // of each image: the loss is cross-entropy.  Empty: KL(float || quantized)
};

class NetworkLoss {
 public:
  // Runs the float model once where a part has no labels.  The model outlives this object.  labels are in 0..classes-1.
  NetworkLoss(const vit::VitModel& model, const std::vector<ScoredImages>& parts);

  // Quantizes an operand from now on; what was computed before its stage stays.
  void Set(const vit::OperandId& operand, const quant::QuantParams& params);

  // The mean loss per image of a part, in nats.
  double Of(size_t part);

  // Stages (patch embedding, blocks, head) run so far, over all batches: what the cache saves shows here.
  int64_t stages_run() const { return stages_run_; }

 private:
  struct Batch {
    std::vector<at::Tensor> inputs;  // of each stage; undefined where not kept; [0] are the images
    std::vector<int64_t> labels;
    at::Tensor log_probabilities;  // (b, K) float64, of the float model; KL only
    std::vector<double> losses;    // of each image
  };
  struct Part {
    std::vector<Batch> batches;
    int64_t images = 0;
    int64_t valid = 0;  // inputs of stages 0..valid are those of the present operands; stages: the losses as well
    double loss = 0;
  };

  Part MakePart(const ScoredImages& scored) const;
  at::Tensor RunStage(int64_t stage, const at::Tensor& x, vit::OpEngine& engine) const;
  // Whether the input of a stage is kept after a run for a change in stage `changed`: one in the same stage or the next
  // comes next, most likely.
  bool Keeps(int64_t stage, int64_t changed) const {
    return stage % stride_ == 0 || stage == changed || stage == changed + 1;
  }
  // Runs a batch for a change in stage `changed`, from the nearest kept input before it to the losses.
  void RunBatch(Batch& batch, int64_t changed);
  // Calls run for each batch, one thread a batch, LibTorch computing alone in each.
  static void ForEachBatch(Part& part, const std::function<void(Batch&)>& run);

  const vit::VitModel& model_;
  const int64_t stages_;
  const int64_t stride_;
  method::FakeQuantEngine engine_;
  std::vector<Part> parts_;
  std::atomic<int64_t> stages_run_{0};
};

}  // namespace ptq::baselines::lapq
