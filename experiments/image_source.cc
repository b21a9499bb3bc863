#include "experiments/image_source.h"

#include <ATen/ATen.h>

namespace ptq::experiments {

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

}  // namespace ptq::experiments
