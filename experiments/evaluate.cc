#include "experiments/evaluate.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
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

// Runs each batch on a thread of its own, in which LibTorch computes alone, so that logits do not depend on the number
// of threads.  An exception of a thread is thrown here.
std::vector<at::Tensor> RunSideBySide(exec::Executor& executor, const std::vector<at::Tensor>& batches) {
  std::vector<std::future<at::Tensor>> running;
  for (const at::Tensor& batch : batches) {
    running.push_back(std::async(std::launch::async, [&executor, &batch] {
      at::set_num_threads(1);
      return executor.Run(batch).contiguous();
    }));
  }
  std::vector<at::Tensor> logits;
  for (std::future<at::Tensor>& each : running) {
    each.wait();
  }
  for (std::future<at::Tensor>& each : running) {
    logits.push_back(each.get());
  }
  return logits;
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
  std::vector<at::Tensor> waiting;
  auto run_waiting = [&]() -> Status {
    for (const at::Tensor& logits : RunSideBySide(executor, waiting)) {
      const int64_t classes = logits.size(1);
      for (int64_t i = 0; i < logits.size(0); ++i) {
        const float* row = logits.data_ptr<float>() + i * classes;
        if (!std::all_of(row, row + classes, [](float x) { return std::isfinite(x); })) {
          return Internal("the logits of image " + std::to_string(index) + " are not finite");
        }
        PTQ_RETURN_IF_ERROR(visit(index++, Top(row, classes)));
      }
      progress.Advance(logits.size(0));
    }
    waiting.clear();
    return progress.stop_requested() ? Status(Interrupted("stopped during evaluation")) : OkStatus();
  };
  PTQ_RETURN_IF_ERROR(images.ForEachBatch(batch_size, [&](const at::Tensor& batch) -> Status {
    waiting.push_back(batch.clone());  // the batch's memory is the source's
    return waiting.size() == workers ? run_waiting() : OkStatus();
  }));
  PTQ_RETURN_IF_ERROR(run_waiting());
  progress.End();
  return OkStatus();
}

}  // namespace ptq::experiments
