#include "experiments/evaluate.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <future>
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
  const auto workers = static_cast<size_t>(at::get_num_threads());
  int64_t index = 0;
  // Each batch has a thread of its own, in which LibTorch computes alone, so that logits do not depend on the number of
  // threads.  The oldest comes first; an exception of a thread is thrown by its get().
  std::deque<std::future<at::Tensor>> running;
  auto finish_oldest = [&]() -> Status {
    const at::Tensor logits = running.front().get();
    running.pop_front();
    const int64_t classes = logits.size(1);
    for (int64_t i = 0; i < logits.size(0); ++i) {
      const float* row = logits.data_ptr<float>() + i * classes;
      if (!std::all_of(row, row + classes, [](float x) { return std::isfinite(x); })) {
        return Internal("the logits of image " + std::to_string(index) + " are not finite");
      }
      PTQ_RETURN_IF_ERROR(visit(index++, Top(row, classes)));
    }
    progress.Advance(logits.size(0));
    return progress.stop_requested() ? Status(Interrupted("stopped during evaluation")) : OkStatus();
  };
  PTQ_RETURN_IF_ERROR(images.ForEachBatch(batch_size, [&](const at::Tensor& batch) -> Status {
    if (running.size() == workers) {
      PTQ_RETURN_IF_ERROR(finish_oldest());
    }
    running.push_back(std::async(std::launch::async, [&executor, own = batch.clone()] {  // the source reuses its memory
      at::set_num_threads(1);
      return executor.Run(own).contiguous();
    }));
    return OkStatus();
  }));
  while (!running.empty()) {
    PTQ_RETURN_IF_ERROR(finish_oldest());
  }
  progress.End();
  return OkStatus();
}

}  // namespace ptq::experiments
