// batch_stream.h: batches of model inputs, decoded ahead of their use on other threads.
//
// Memory is bounded by a few batches whatever the size of the data set.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "data/images/dataset.h"
#include "data/images/preprocess.h"

namespace ptq::data {

struct ImageBatch {
  std::vector<int64_t> indices;  // into dataset.samples()
  std::vector<float> pixels;     // (indices.size(), 3, crop, crop), normalised
};

constexpr int64_t kBatchesAhead = 2;

class BatchStream {
 public:
  // Yields `indices` in order, `batch_size` at a time (the last batch may be smaller).  `dataset` outlives the stream.
  // batch_size, crop and decode_threads >= 1; at most kBatchesAhead batches wait decoded.
  BatchStream(const Dataset& dataset, std::vector<int64_t> indices, const Preprocessing& preprocessing,
              int64_t batch_size, int decode_threads = 1);
  ~BatchStream();  // stops the threads; safe in the middle
  BatchStream(const BatchStream&) = delete;
  BatchStream& operator=(const BatchStream&) = delete;

  // The next batch; an empty one after the last.  A picture that cannot be decoded is the error, in its place in the
  // order: the batches before it come first, and every later call gives the same error.  From one thread at a time.
  Result<ImageBatch> Next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What `dataset` asks for: the model's preprocessing, without the resize where entry.resize is "crop_only".
Preprocessing EffectivePreprocessing(const Preprocessing& model, const DatasetEntry& entry);

}  // namespace ptq::data
