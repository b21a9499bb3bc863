// calibration.h: runs the float model over the calibration images, one stage at a time.
//
// A stage is the patch embedding, one block, or the head.  Between stages only the stage's inputs are kept
// (images x tokens x width floats), so memory does not grow with depth.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/progress.h"
#include "core/calib/statistics.h"
#include "core/vit/model.h"

namespace ptq::calib {

// The calibration images, already preprocessed; can be read several times, each time in the same order.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  virtual int64_t count() const = 0;
  // Calls visit with (b, channels, S, S) float32, b <= batch_size, until all images were seen or visit fails.
  virtual Status ForEachBatch(int64_t batch_size, const std::function<Status(const at::Tensor&)>& visit) = 0;
  // The class of each image, in the same order.  Unsupported where the source gives none.
  virtual Result<std::vector<int64_t>> Labels();
};

// Looks at the operands of the ops as the float model multiplies them.
class OpVisitor {
 public:
  virtual ~OpVisitor() = default;
  // Once per op and batch.  right is the weight, or for qk (already transposed) and pv the other activation.
  // The tensors are the model's own: keep or copy, never write.
  virtual Status Observe(const vit::OpId& op, const at::Tensor& left, const at::Tensor& right,
                         const at::Tensor& output) = 0;
  // After the last batch of a stage; `ops` are the stage's ops in order.
  virtual Status EndStage(const std::vector<vit::OpId>& ops) {
    (void)ops;
    return OkStatus();
  }
};

// One stage of the model with the inputs that reach it.
class Stage {
 public:
  static constexpr int64_t kAllImages = INT64_MAX;

  virtual ~Stage() = default;
  virtual const std::vector<vit::OpId>& ops() const = 0;  // in the order of execution
  virtual int64_t image_count() const = 0;
  // Runs the images through the stage, batch by batch, `engine` multiplying; `outputs`, where given, gets what the
  // stage puts out (logits of the head), a tensor a batch.  Inputs: the float model's.  first_images: whole batches
  // until so many were run; the patch embedding always runs all. Errors: those of the images; Interrupted.
  virtual Status Run(vit::OpEngine& engine, std::vector<at::Tensor>* outputs = nullptr,
                     int64_t first_images = kAllImages) = 0;
  // The same on the inputs that the prefix engine left behind; CHECKs that ForEachStage has one.
  virtual Status RunBehindPrefix(vit::OpEngine& engine, std::vector<at::Tensor>* outputs = nullptr) = 0;
};

class Calibration {
 public:
  // All three outlive this object.  batch_size > 0.
  Calibration(const vit::VitModel& model, ImageSource& images, Progress& progress, int64_t batch_size = 16);

  int64_t image_count() const { return images_.count(); }
  const vit::VitModel& model() const { return model_; }

  // The classes of the calibration images, for the methods that say they need them (method::Method::NeedsLabels).
  // Errors: Unsupported where there are none to read.
  Result<std::vector<int64_t>> Labels() { return images_.Labels(); }

  // The images themselves, in order, batch by batch: for methods that run the whole model with an engine of their own.
  // Errors: those of the images and of visit; InvalidArgument for no images.
  Status ForEachImageBatch(const std::function<Status(const at::Tensor&)>& visit);

  // Shows every op of every stage to the visitor, stages in the order of execution, inside a stage batch by batch.
  // Inputs of a stage are the float model's (parallel calibration).
  // Errors: those of the images and the visitor; InvalidArgument for no images; Interrupted.
  Status Visit(OpVisitor& visitor);

  // Calls visit for each stage in the order of execution; it may run the stage as often as it likes.  Where `prefix` is
  // given, a second stream of activations follows the first: once a stage was visited, `prefix` multiplies in it, as it
  // then stands (sequential calibration: visit adds what it has quantized).  Neither draws progress.
  // Errors: those of visit and the images; InvalidArgument for no images; Interrupted.
  Status ForEachStage(vit::OpEngine* prefix, const std::function<Status(Stage&)>& visit);

  // Statistics of the named activation operands over all images.  Weights need none: they are the model's parameters.
  // Errors: those of Visit; a NaN or infinity names the op.
  Result<std::map<vit::OperandId, TensorStatistics>> Collect(const std::vector<vit::OperandId>& operands,
                                                             const StatisticsOptions& options, RandomStream random);

 private:
  class StageOfImages;

  Status CheckHasImages() const;
  // Stage 0 embeds the images, the last one is the head; `inputs` are a batch each.
  Status RunStage(int64_t stage, const std::vector<at::Tensor>& inputs, vit::OpEngine& engine,
                  const std::function<Status(int64_t)>& after_batch, std::vector<at::Tensor>* outputs,
                  int64_t first_images = Stage::kAllImages);

  const vit::VitModel& model_;
  ImageSource& images_;
  Progress& progress_;
  int64_t batch_size_;
};

}  // namespace ptq::calib
