// image_source.h: images of a data set as LibTorch batches, for calibration and evaluation.
#pragma once

#include <vector>

#include "core/calib/calibration.h"
#include "data/images/batch_stream.h"

namespace ptq::experiments {

// Decodes ahead on another thread; each ForEachBatch reads the pictures again.
class DatasetImageSource final : public calib::ImageSource {
 public:
  // `dataset` outlives the source.
  DatasetImageSource(const data::Dataset& dataset, std::vector<int64_t> indices,
                     const data::Preprocessing& preprocessing)
      : dataset_(dataset), indices_(std::move(indices)), preprocessing_(preprocessing) {}

  int64_t count() const override { return static_cast<int64_t>(indices_.size()); }
  Status ForEachBatch(int64_t batch_size, const std::function<Status(const at::Tensor&)>& visit) override;

 private:
  const data::Dataset& dataset_;
  const std::vector<int64_t> indices_;
  const data::Preprocessing preprocessing_;
};

}  // namespace ptq::experiments
