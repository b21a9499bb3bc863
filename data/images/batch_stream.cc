#include "data/images/batch_stream.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "core/base/check.h"

namespace ptq::data {
namespace {

// A batch that is being decoded.  Threads write different parts of `batch.pixels` without the lock.
struct PendingBatch {
  ImageBatch batch;
  int64_t missing = 0;  // pictures not yet decoded
  int64_t error_position = -1;
  std::optional<Error> error;  // of the first bad picture of the batch
};

}  // namespace

struct BatchStream::State {
  State(const Dataset& dataset, std::vector<int64_t> indices, const Preprocessing& preprocessing, int64_t batch_size)
      : dataset(dataset), indices(std::move(indices)), preprocessing(preprocessing), batch_size(batch_size) {}

  const Dataset& dataset;
  const std::vector<int64_t> indices;
  const Preprocessing preprocessing;
  const int64_t batch_size;

  std::mutex mutex;
  std::condition_variable changed;
  bool stop = false;
  int64_t next_position = 0;  // of indices: the next picture to decode
  int64_t taken = 0;          // batches that Next() gave out; pending[0] is the batch of this number
  std::deque<PendingBatch> pending;
  std::optional<Error> failure;
  std::vector<std::thread> threads;

  int64_t size() const { return static_cast<int64_t>(indices.size()); }
  int64_t values_per_image() const { return 3 * preprocessing.crop * preprocessing.crop; }
  PendingBatch& BatchAt(int64_t position) { return pending[static_cast<size_t>(position / batch_size - taken)]; }

  // A batch is open while pictures of it are decoded, so Next() cannot remove it, and a deque does not move the others
  // when its ends change.
  void OpenBatch(int64_t position) {
    const int64_t end = std::min(position + batch_size, size());
    PendingBatch& opened = pending.emplace_back();
    opened.batch.indices.assign(indices.begin() + position, indices.begin() + end);
    opened.batch.pixels.resize(static_cast<size_t>((end - position) * values_per_image()));
    opened.missing = end - position;
  }

  std::optional<Error> Decode(int64_t index, float* out) const {
    const Result<Image> image = dataset.Load(index);
    if (!image.ok()) return image.error();
    Normalize(ResizeAndCrop(*image, preprocessing), preprocessing, out);
    return std::nullopt;
  }

  void Work() {
    std::unique_lock<std::mutex> lock(mutex);
    while (true) {
      changed.wait(
          lock, [&] { return stop || next_position >= size() || next_position / batch_size < taken + kBatchesAhead; });
      if (stop || next_position >= size()) return;
      const int64_t position = next_position++;
      if (position % batch_size == 0) OpenBatch(position);
      PendingBatch& batch = BatchAt(position);
      float* out = batch.batch.pixels.data() + position % batch_size * values_per_image();
      lock.unlock();
      std::optional<Error> error = Decode(indices[static_cast<size_t>(position)], out);
      lock.lock();
      if (error.has_value() && (!batch.error.has_value() || position < batch.error_position)) {
        batch.error = std::move(error);
        batch.error_position = position;
      }
      if (--batch.missing == 0) changed.notify_all();
    }
  }
};

BatchStream::BatchStream(const Dataset& dataset, std::vector<int64_t> indices, const Preprocessing& preprocessing,
                         int64_t batch_size, int decode_threads) {
  PTQ_CHECK(batch_size >= 1 && decode_threads >= 1 && preprocessing.crop >= 1)
      << batch_size << ", " << decode_threads << ", " << preprocessing.crop;
  const int64_t samples = static_cast<int64_t>(dataset.samples().size());
  for (const int64_t index : indices) PTQ_CHECK(index >= 0 && index < samples) << index << " of " << samples;
  state_ = std::make_unique<State>(dataset, std::move(indices), preprocessing, batch_size);
  for (int i = 0; i < decode_threads; ++i) state_->threads.emplace_back([state = state_.get()] { state->Work(); });
}

BatchStream::~BatchStream() {
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stop = true;
  }
  state_->changed.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

Result<ImageBatch> BatchStream::Next() {
  State& state = *state_;
  std::unique_lock<std::mutex> lock(state.mutex);
  if (state.failure.has_value()) return *state.failure;
  if (state.taken * state.batch_size >= state.size()) return ImageBatch{};
  state.changed.wait(lock, [&] { return !state.pending.empty() && state.pending.front().missing == 0; });
  PendingBatch finished = std::move(state.pending.front());
  if (finished.error.has_value()) {
    state.failure = std::move(finished.error);
    state.stop = true;
  } else {
    state.pending.pop_front();
    ++state.taken;
  }
  lock.unlock();
  state.changed.notify_all();
  if (state.failure.has_value()) return *state.failure;
  return std::move(finished.batch);
}

Preprocessing EffectivePreprocessing(const Preprocessing& model, const DatasetEntry& entry) {
  Preprocessing effective = model;
  if (entry.resize == "crop_only") effective.resize = 0;
  return effective;
}

}  // namespace ptq::data
