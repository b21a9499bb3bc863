// image_source.h: images of a data set as LibTorch batches, for calibration and evaluation.
#pragma once

#include <vector>

#include "core/calib/calibration.h"
#include "data/images/batch_stream.h"

namespace ptq::experiments {

// Whether Labels() answers.  Labels of evaluated images reach no method: a source of theirs is always kHidden, and so
// is that of calibration images unless the method says that it needs labels.
enum class LabelAccess { kHidden, kCalibration };

// Decodes ahead on another thread; each ForEachBatch reads the pictures again.
class DatasetImageSource final : public calib::ImageSource {
 public:
  // `dataset` outlives the source.  kCalibration with an evaluation set is a CHECK failure.
  DatasetImageSource(const data::Dataset& dataset, std::vector<int64_t> indices,
                     const data::Preprocessing& preprocessing, LabelAccess labels = LabelAccess::kHidden);

  int64_t count() const override { return static_cast<int64_t>(indices_.size()); }
  Status ForEachBatch(int64_t batch_size, const std::function<Status(const at::Tensor&)>& visit) override;
  // Errors: Unsupported where they are hidden, or where the data set does not know the class of one of the pictures.
  Result<std::vector<int64_t>> Labels() override;

 private:
  const data::Dataset& dataset_;
  const std::vector<int64_t> indices_;
  const data::Preprocessing preprocessing_;
  const LabelAccess labels_;
};

}  // namespace ptq::experiments
