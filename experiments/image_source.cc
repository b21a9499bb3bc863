#include "experiments/image_source.h"

#include <ATen/ATen.h>

#include <utility>

#include "core/base/check.h"

namespace ptq::experiments {

DatasetImageSource::DatasetImageSource(const data::Dataset& dataset, std::vector<int64_t> indices,
                                       const data::Preprocessing& preprocessing, LabelAccess labels)
    : dataset_(dataset), indices_(std::move(indices)), preprocessing_(preprocessing), labels_(labels) {
  PTQ_CHECK(labels == LabelAccess::kHidden || dataset.entry().role != data::DatasetRole::kEvaluation)
      << dataset.entry().name << " is evaluated; its labels stay hidden";
}

Status DatasetImageSource::ForEachBatch(int64_t batch_size, const std::function<Status(const at::Tensor&)>& visit) {
  data::BatchStream stream(dataset_, indices_, preprocessing_, batch_size);
  while (true) {
    PTQ_ASSIGN_OR_RETURN(data::ImageBatch batch, stream.Next());
    if (batch.indices.empty()) {
      return OkStatus();
    }
    const at::Tensor images = at::from_blob(
        batch.pixels.data(), {static_cast<int64_t>(batch.indices.size()), 3, preprocessing_.crop, preprocessing_.crop},
        at::kFloat);
    PTQ_RETURN_IF_ERROR(visit(images));
  }
}

Result<std::vector<int64_t>> DatasetImageSource::Labels() {
  if (labels_ == LabelAccess::kHidden) {
    return calib::ImageSource::Labels();
  }
  std::vector<int64_t> labels;
  for (const int64_t index : indices_) {
    const data::Sample& sample = dataset_.samples()[index];
    if (sample.label < 0) {
      return Unsupported("the method needs the classes of its calibration images, and data set " +
                         dataset_.entry().name + " does not know that of " + sample.id +
                         "; calibrate with a data set that has labels");
    }
    labels.push_back(sample.label);
  }
  return labels;
}

}  // namespace ptq::experiments
