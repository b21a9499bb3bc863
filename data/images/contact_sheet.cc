#include "data/images/contact_sheet.h"

#include <algorithm>

#include "data/images/preprocess.h"

namespace ptq::data {
namespace {

constexpr int64_t kCell = 64;
constexpr int64_t kGap = 2;
constexpr uint8_t kGround = 128;

// Fits the picture into a cell, aspect kept.
Image Thumbnail(const Image& image) {
  const int64_t longer = std::max(image.width, image.height);
  const int64_t width = std::max<int64_t>(1, image.width * kCell / longer);
  const int64_t height = std::max<int64_t>(1, image.height * kCell / longer);
  return Resize(image, width, height, Interpolation::kBilinear);
}

void Paste(const Image& thumbnail, int64_t left, int64_t top, Image& sheet) {
  for (int64_t y = 0; y < thumbnail.height; ++y) {
    const auto begin = thumbnail.pixels.begin() + y * thumbnail.width * 3;
    std::copy(begin, begin + thumbnail.width * 3, sheet.pixels.begin() + ((top + y) * sheet.width + left) * 3);
  }
}

}  // namespace

Result<Image> MakeContactSheet(const Dataset& dataset, int64_t rows, int64_t columns) {
  if (rows < 1 || rows > 1000 || columns < 1 || columns > 1000) {
    return InvalidArgument("a contact sheet has 1 to 1000 rows and columns");
  }
  Image sheet;
  sheet.width = kGap + columns * (kCell + kGap);
  sheet.height = kGap + rows * (kCell + kGap);
  sheet.pixels.assign(sheet.width * sheet.height * 3, kGround);
  std::vector<int64_t> filled(rows, 0);
  const std::vector<Sample>& samples = dataset.samples();
  for (size_t i = 0; i < samples.size(); ++i) {
    const int64_t row = samples[i].label;
    if (row < 0 || row >= rows || filled[row] == columns) {
      continue;
    }
    PTQ_ASSIGN_OR_RETURN(const Image image, dataset.Load(static_cast<int64_t>(i)));
    Paste(Thumbnail(image), kGap + filled[row] * (kCell + kGap), kGap + row * (kCell + kGap), sheet);
    ++filled[row];
  }
  return sheet;
}

}  // namespace ptq::data
