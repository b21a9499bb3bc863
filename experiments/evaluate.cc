#include "experiments/evaluate.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ptq::experiments {
namespace {

TopClasses Top(const float* logits, int64_t classes) {
  std::vector<int32_t> order(classes);
  std::iota(order.begin(), order.end(), 0);
  const int64_t kept = std::min<int64_t>(5, classes);
  std::partial_sort(order.begin(), order.begin() + kept, order.end(),
                    [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  TopClasses top;
  for (int64_t i = 0; i < kept; ++i) {
    top.classes.push_back(order[i]);
    top.logits.push_back(logits[order[i]]);
  }
  return top;
}

}  // namespace

int64_t EvaluationBatchSize(const vit::VitConfig& config) {
  constexpr int64_t kTokensPerBatch = 4096;
  return std::clamp<int64_t>(kTokensPerBatch / config.tokens(), 4, 64);
}

Status Evaluate(exec::Executor& executor, calib::ImageSource& images, int64_t batch_size, Progress& progress,
                const std::function<Status(int64_t, const TopClasses&)>& visit) {
  progress.Begin("evaluate", images.count());
  int64_t index = 0;
  PTQ_RETURN_IF_ERROR(images.ForEachBatch(batch_size, [&](const at::Tensor& batch) -> Status {
    const at::Tensor logits = executor.Run(batch).contiguous();
    const int64_t classes = logits.size(1);
    for (int64_t i = 0; i < logits.size(0); ++i) {
      const float* row = logits.data_ptr<float>() + i * classes;
      if (!std::all_of(row, row + classes, [](float x) { return std::isfinite(x); })) {
        return Internal("the logits of image " + std::to_string(index) + " are not finite");
      }
      PTQ_RETURN_IF_ERROR(visit(index++, Top(row, classes)));
    }
    progress.Advance(batch.size(0));
    return progress.stop_requested() ? Status(Interrupted("stopped during evaluation")) : OkStatus();
  }));
  progress.End();
  return OkStatus();
}

}  // namespace ptq::experiments
