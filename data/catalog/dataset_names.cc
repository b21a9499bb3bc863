#include "data/catalog/datasets.h"

namespace ptq::data {

const char* Name(DatasetKind kind) {
  switch (kind) {
    case DatasetKind::kImageList:
      return "image_list";
    case DatasetKind::kClassFolders:
      return "class_folders";
    case DatasetKind::kImageNetFlat:
      return "imagenet_flat";
    case DatasetKind::kCifar10:
      return "cifar10";
    case DatasetKind::kCifar100:
      return "cifar100";
    case DatasetKind::kEmbedded:
      return "embedded";
  }
  return "unknown";
}

const char* Name(DatasetRole role) {
  switch (role) {
    case DatasetRole::kCalibration:
      return "calibration";
    case DatasetRole::kEvaluation:
      return "evaluation";
    case DatasetRole::kTrain:
      return "train";
  }
  return "unknown";
}

}  // namespace ptq::data
