// generator.h: the embedded data set, drawn by integer arithmetic so that every machine draws the same bytes.
//
// 32x32 RGB, 10 classes, labels balanced.  Picture i of a split is a pure function of (split, i).  A picture is one
// large shape of its class, turned, stretched and coloured at random, over a cluttered background, sometimes half
// hidden and always noisy.  README.md beside this file tells what each class is.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "data/images/image.h"

namespace ptq::data {

constexpr int64_t kEmbeddedSize = 32;
constexpr int64_t kEmbeddedClasses = 10;

// Pictures of a split: "train" 60000, "calibration" 2000, "test" 5000.  InvalidArgument for another name.
Result<int64_t> EmbeddedCount(const std::string& split);

struct EmbeddedSample {
  Image image;
  int64_t label = 0;
};
// 0 <= index < EmbeddedCount(split), else a CHECK fails; splits never share a picture.  Every ten pictures that begin
// at a multiple of ten hold each label once.
EmbeddedSample DrawEmbedded(const std::string& split, int64_t index);

// The label alone, without drawing.
int64_t EmbeddedLabel(const std::string& split, int64_t index);

// The name of class 0..9, for contact sheets.
const char* EmbeddedClassName(int64_t label);

}  // namespace ptq::data
