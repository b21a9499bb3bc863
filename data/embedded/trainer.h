// trainer.h: trains an embedded model.
//
// AdamW with warm-up and a cosine, cross entropy, and for a distilled model DeiT's hard distillation (Touvron et al.
// 2021, Eq. 3): the distillation token learns the teacher's decisions.  The first part of the training shows the blocks
// only a random part of the patches (Liu et al. 2022, "PatchDropout"), which halves its cost.
//
// On the CPU every worker thread takes one part of each batch and LibTorch itself uses one thread; the gradients are
// added in the order of the workers.  The weights are a function of seed, options and number of workers, on machines
// whose LibTorch and BLAS round alike.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/base/error.h"
#include "core/vit/model.h"
#include "data/embedded/pictures.h"

namespace ptq::data {

struct TrainOptions {
  uint64_t seed = 1;
  int64_t epochs = 3;
  int64_t batch = 64;
  int threads = 2;
  double peak_learning_rate = 1e-3;
  double weight_decay = 0.05;
  double warm_up_fraction = 0.06;  // of all steps
  double dropping_fraction = 0.8;  // of all steps: only kept_patches of the patches are shown
  int64_t kept_patches = 32;
  int64_t checkpoint_every = 500;  // steps
  std::string checkpoint;          // a file that is continued where it exists; empty: none
};

struct TrainStep {
  int64_t step = 0, steps = 0;
  double loss = 0.0;  // mean since the last report
  double images_per_second = 0.0;
};

// Trains `model` in place.  targets: what the distillation token learns, one label a picture; undefined where the model
// has no such token.  report: called every 100 steps and after the last one.
// Errors: Io, Corrupt (a checkpoint of another run).
Status Train(const TrainOptions& options, const Pictures& pictures, const at::Tensor& targets, vit::VitModel& model,
             const std::function<void(const TrainStep&)>& report);

}  // namespace ptq::data
