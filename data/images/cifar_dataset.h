// cifar_dataset.h: the binary files of CIFAR-10 and CIFAR-100.
//
// A record is the class (CIFAR-100: the coarse class, then the fine one, which is used), then 32x32 bytes of red, of
// green and of blue.  Source: https://www.cs.toronto.edu/~kriz/cifar.html.
#pragma once

#include <memory>
#include <string>

#include "core/base/error.h"
#include "data/images/dataset.h"

namespace ptq::data {

// root: an existing folder.  Pictures are read from the files as they are asked for.  Errors as OpenDataset's.
Result<std::unique_ptr<Dataset>> OpenCifar(const DatasetEntry& entry, const std::string& root);

}  // namespace ptq::data
