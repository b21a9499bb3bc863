// picture_cache.h: pictures as a model sees them, kept in memory between the trials of a run.
//
// A method may read its calibration pictures hundreds of times, and the trials of a small data set read the same ones.
// No number depends on what is kept.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/images/dataset.h"
#include "data/images/preprocess.h"

namespace ptq::experiments {

class CroppedDataset;

class PictureCache {
 public:
  // Room for some two hundred calibration photographs or the whole embedded test set; a large evaluation set is read
  // anew, which costs a hundredth of what the model takes.
  static constexpr int64_t kDefaultBytes = int64_t{32} << 20;

  // max_bytes >= 0: of kept pixels, 3 bytes each.
  explicit PictureCache(int64_t max_bytes = kDefaultBytes);
  ~PictureCache();

  // `dataset` with its pictures already resized and cropped: its Load() answers what ResizeAndCrop(dataset.Load(),
  // preprocessing) would, and keeps it.  `count`: how many pictures will be read; where so many do not fit, nothing
  // more of the data set is kept.  What was opened longest ago makes room.  `dataset` outlives the cache.
  std::shared_ptr<const data::Dataset> Open(const data::Dataset& dataset, const data::Preprocessing& preprocessing,
                                            int64_t count);
  int64_t kept_bytes() const;

 private:
  const int64_t max_bytes_;
  std::vector<std::shared_ptr<CroppedDataset>> opened_;  // the one opened last at the end
};

// What is left to do to a picture that was resized and cropped: Normalize.
data::Preprocessing AfterCrop(data::Preprocessing preprocessing);

}  // namespace ptq::experiments
