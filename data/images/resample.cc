#include "data/images/resample.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/check.h"

namespace ptq::data {
namespace {

// Weights are integers in units of 2^-22: 8 bits of pixel, 22 of fraction and 2 of headroom make an int32.
constexpr int kFractionBits = 32 - 8 - 2;

double Bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double Bilinear(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

struct Filter {
  double (*weight)(double);
  double support;
};

Filter FilterOf(Interpolation interpolation) {
  return interpolation == Interpolation::kBicubic ? Filter{Bicubic, 2.0} : Filter{Bilinear, 1.0};
}

// The inputs begin..begin+weights.size()-1 that one output pixel is made of.
struct Taps {
  int64_t begin = 0;
  std::vector<int32_t> weights;
};

// The taps of outputs first..first+count-1 of one axis that is resized from in_size to out_size.
std::vector<Taps> ComputeTaps(int64_t in_size, int64_t out_size, int64_t first, int64_t count, const Filter& filter) {
  const double scale = static_cast<double>(in_size) / static_cast<double>(out_size);
  const double filter_scale = std::max(scale, 1.0);  // wider than the grid where it shrinks: antialiasing
  const double support = filter.support * filter_scale;
  std::vector<Taps> all(static_cast<size_t>(count));
  std::vector<double> exact;
  for (int64_t i = 0; i < count; ++i) {
    const double center = (static_cast<double>(first + i) + 0.5) * scale;
    const int64_t begin = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const int64_t end = std::min<int64_t>(static_cast<int64_t>(center + support + 0.5), in_size);
    exact.clear();
    double sum = 0.0;
    for (int64_t x = begin; x < end; ++x) {
      exact.push_back(filter.weight((static_cast<double>(x) - center + 0.5) * (1.0 / filter_scale)));
      sum += exact.back();
    }
    Taps& taps = all[static_cast<size_t>(i)];
    taps.begin = begin;
    for (double weight : exact) {
      if (sum != 0.0) weight /= sum;
      const double scaled = weight * (1 << kFractionBits);
      taps.weights.push_back(static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5));
    }
  }
  return all;
}

uint8_t ToByte(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255)); }

// Row `y` of the source to one row of the result.
void ResampleRow(const uint8_t* row, const std::vector<Taps>& taps, uint8_t* out) {
  for (const Taps& tap : taps) {
    const uint8_t* in = row + tap.begin * 3;
    int32_t red = 1 << (kFractionBits - 1);
    int32_t green = red;
    int32_t blue = red;
    for (const int32_t weight : tap.weights) {
      red += in[0] * weight;
      green += in[1] * weight;
      blue += in[2] * weight;
      in += 3;
    }
    *out++ = ToByte(red);
    *out++ = ToByte(green);
    *out++ = ToByte(blue);
  }
}

// image: the source's rows from `first_row` on.
Image ResampleColumns(const Image& image, int64_t first_row, const std::vector<Taps>& taps) {
  Image result;
  result.width = image.width;
  result.height = static_cast<int64_t>(taps.size());
  const size_t stride = static_cast<size_t>(image.width) * 3;
  result.pixels.resize(stride * taps.size());
  std::vector<int32_t> sums(stride);
  uint8_t* out = result.pixels.data();
  for (const Taps& tap : taps) {
    std::fill(sums.begin(), sums.end(), 1 << (kFractionBits - 1));
    const uint8_t* row = image.pixels.data() + static_cast<size_t>(tap.begin - first_row) * stride;
    for (const int32_t weight : tap.weights) {
      for (size_t x = 0; x < stride; ++x) sums[x] += row[x] * weight;
      row += stride;
    }
    for (size_t x = 0; x < stride; ++x) out[x] = ToByte(sums[x]);
    out += stride;
  }
  return result;
}

Image CopyWindow(const Image& image, const Window& window) {
  Image copy{window.width, window.height, {}};
  copy.pixels.reserve(static_cast<size_t>(window.width * window.height) * 3);
  for (int64_t y = window.y; y < window.y + window.height; ++y) {
    const auto begin = image.pixels.begin() + (y * image.width + window.x) * 3;
    copy.pixels.insert(copy.pixels.end(), begin, begin + window.width * 3);
  }
  return copy;
}

}  // namespace

Image ResampleWindow(const Image& image, int64_t width, int64_t height, const Window& window,
                     Interpolation interpolation) {
  PTQ_CHECK(image.width > 0 && image.height > 0 && window.width > 0 && window.height > 0);
  PTQ_CHECK(window.x >= 0 && window.x + window.width <= width) << window.x << "+" << window.width << " of " << width;
  PTQ_CHECK(window.y >= 0 && window.y + window.height <= height)
      << window.y << "+" << window.height << " of " << height;
  const Filter filter = FilterOf(interpolation);
  // The rows that the second pass reads; all that the window needs where there is no second pass.
  std::vector<Taps> vertical;
  int64_t first_row = window.y;
  int64_t last_row = window.y + window.height;
  if (height != image.height) {
    vertical = ComputeTaps(image.height, height, window.y, window.height, filter);
    first_row = vertical.front().begin;
    last_row = vertical.back().begin + static_cast<int64_t>(vertical.back().weights.size());
  }
  Image rows;
  if (width == image.width) {
    rows = CopyWindow(image, {window.x, first_row, window.width, last_row - first_row});
  } else {
    const std::vector<Taps> horizontal = ComputeTaps(image.width, width, window.x, window.width, filter);
    rows.width = window.width;
    rows.height = last_row - first_row;
    rows.pixels.resize(static_cast<size_t>(rows.width * rows.height) * 3);
    for (int64_t y = 0; y < rows.height; ++y) {
      ResampleRow(&image.pixels[static_cast<size_t>((first_row + y) * image.width) * 3], horizontal,
                  &rows.pixels[static_cast<size_t>(y * rows.width) * 3]);
    }
  }
  return vertical.empty() ? rows : ResampleColumns(rows, first_row, vertical);
}

}  // namespace ptq::data
