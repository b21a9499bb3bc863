// file_dataset.h: data sets whose pictures are JPEG and PNG files: a list, class folders, ImageNet's flat folder.
#pragma once

#include <memory>
#include <string>

#include "core/base/error.h"
#include "data/images/dataset.h"

namespace ptq::data {

// root: an existing folder.  Every listed picture exists; nothing is decoded yet.  Errors as OpenDataset's.
Result<std::unique_ptr<Dataset>> OpenImageList(const DatasetEntry& entry, const std::string& root);
Result<std::unique_ptr<Dataset>> OpenClassFolders(const DatasetEntry& entry, const std::string& root);
Result<std::unique_ptr<Dataset>> OpenImageNetFlat(const DatasetEntry& entry, const std::string& root);

}  // namespace ptq::data
