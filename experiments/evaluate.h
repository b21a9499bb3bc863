// evaluate.h: an executor over a data set.
#pragma once

#include <functional>
#include <vector>

#include "core/base/error.h"
#include "core/base/progress.h"
#include "core/exec/executor.h"
#include "experiments/image_source.h"

namespace ptq::experiments {

// Images per batch for a geometry: enough rows for the matrix products, little enough to stay near the caches.
int64_t EvaluationBatchSize(const vit::VitConfig& config);

// One image's outcome: the five classes of largest logit in descending order (fewer where there are fewer classes; ties
// go to the smaller class), and their logits.
struct TopClasses {
  std::vector<int32_t> classes;
  std::vector<float> logits;
};

// Runs as many batches side by side as LibTorch has threads, and calls visit(index among the images, outcome) in order.
// The outcomes do not depend on the number of threads.
// Errors: those of the images; Internal where a logit is not finite; Interrupted.
Status Evaluate(exec::Executor& executor, calib::ImageSource& images, int64_t batch_size, Progress& progress,
                const std::function<Status(int64_t, const TopClasses&)>& visit);

}  // namespace ptq::experiments
