#include "data/embedded/generator.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "core/base/random.h"

namespace ptq::data {
namespace {

constexpr int kSize = static_cast<int>(kEmbeddedSize);
constexpr int kShapeFrame = 256;  // a shape's predicate sees its picture in units of radius / 256
constexpr int kSubpixels = 4;     // positions and radii are in quarters of a pixel

// round(2^14 sin(i pi / 128)): a quarter turn in 64 steps.
constexpr std::array<int, 65> kQuarterSine = {
    0,     402,   804,   1205,  1606,  2006,  2404,  2801,  3196,  3590,  3981,  4370,  4756,
    5139,  5520,  5897,  6270,  6639,  7005,  7366,  7723,  8076,  8423,  8765,  9102,  9434,
    9760,  10080, 10394, 10702, 11003, 11297, 11585, 11866, 12140, 12406, 12665, 12916, 13160,
    13395, 13623, 13842, 14053, 14256, 14449, 14635, 14811, 14978, 15137, 15286, 15426, 15557,
    15679, 15791, 15893, 15986, 16069, 16143, 16207, 16261, 16305, 16340, 16364, 16379, 16384};
constexpr int kSineOne = 16384;

// How hard the pictures are.
constexpr int kLeastContrast = 100;  // object above background, summed over channels
constexpr int kOccluderPercent = 40;
constexpr int kMostNoise = 52;
constexpr int kMostTurn = 16;  // of 256

// A turn has 256 steps.
int Sine(int angle) {
  const int quarter = (angle >> 6) & 3;
  const int step = angle & 63;
  const int value = quarter % 2 == 0 ? kQuarterSine[step] : kQuarterSine[64 - step];
  return quarter < 2 ? value : -value;
}
int Cosine(int angle) { return Sine(angle + 64); }

using Color = std::array<int, 3>;

enum Shape { kDisc, kRing, kSquare, kTriangle, kCross, kStar, kCrescent, kStripes, kChecker, kAngle, kBar };

bool InsideStar(int u, int v) {
  // A pentagram: the points on the inner side of at least four of its five lines.
  static constexpr int kNormals[5][2] = {{0, 256}, {-243, 79}, {-150, -207}, {150, -207}, {243, 79}};
  int inside = 0;
  for (const auto& normal : kNormals) {
    inside += u * normal[0] + v * normal[1] <= 92 * kShapeFrame ? 1 : 0;
  }
  return inside >= 4;
}

bool Inside(Shape shape, int u, int v) {
  const int r2 = u * u + v * v;
  const int au = std::abs(u);
  const int av = std::abs(v);
  switch (shape) {
    case kDisc:
      return r2 <= 236 * 236;
    case kRing:
      return r2 <= 246 * 246 && r2 > 130 * 130;
    case kSquare:
      return au <= 196 && av <= 196;
    case kTriangle:
      return v <= 135 && 222 * u - 128 * v <= 135 * 256 && -222 * u - 128 * v <= 135 * 256;
    case kCross:
      return (au <= 78 && av <= 244) || (av <= 78 && au <= 244);
    case kStar:
      return InsideStar(u, v);
    case kCrescent:
      return r2 <= 246 * 246 && (u - 120) * (u - 120) + v * v > 190 * 190;
    case kStripes:
      return r2 <= 250 * 250 && ((u + 512) / 84) % 2 == 0;
    case kChecker:
      return au <= 220 && av <= 220 && ((u + 220) / 110 + (v + 220) / 110) % 2 == 0;
    case kAngle:
      return (u >= -200 && u <= -60 && av <= 220) || (v >= 80 && v <= 220 && u >= -200 && u <= 190);
    case kBar:
      return au <= 512 && av <= kShapeFrame;
  }
  return false;
}

// A canvas and the picture's own random numbers.
class Painter {
 public:
  Painter(uint64_t index, const std::string& stream) : random_(index, stream) {}

  // Uniform in [low, high].
  int Draw(int low, int high) {
    return low + static_cast<int>(random_.NextBelow(static_cast<uint64_t>(high - low + 1)));
  }
  bool Chance(int percent) { return Draw(1, 100) <= percent; }
  Color AnyColor() { return {Draw(0, 255), Draw(0, 255), Draw(0, 255)}; }
  Color LighterColor(int least);

  void PaintBackground();
  void PaintClutter(int count);
  void PaintObject(Shape shape);
  void PaintNoise();
  Image ToImage() const;

 private:
  struct Placement {
    int x = 0, y = 0;                // centre, quarter pixels
    int radius_u = 1, radius_v = 1;  // quarter pixels
    int angle = 0;
    bool mirrored = false;
  };
  void PaintShape(Shape shape, const Placement& place, const Color& color);

  RandomStream random_;
  Color near_{}, far_{};  // the background's two colours
  std::array<int, kSize * kSize * 3> canvas_{};
};

// A colour lighter than both colours of the background in every channel, by at least `least` in their sum.
Color Painter::LighterColor(int least) {
  Color color{};
  int above = 0;
  for (int c = 0; c < 3; ++c) {
    const int base = std::max(near_[c], far_[c]);
    color[c] = base + Draw(10, 110);
    above += color[c] - base;
  }
  for (int c = 0; above < least; c = (c + 1) % 3) {
    color[c] += 10;
    above += 10;
  }
  return color;
}

// A slope between two colours, roughened by bilinear noise on a grid of 8 pixels.
void Painter::PaintBackground() {
  for (int& channel : near_) {
    channel = Draw(0, 130);
  }
  for (int c = 0; c < 3; ++c) {
    far_[c] = std::clamp(near_[c] + Draw(-50, 50), 0, 140);
  }
  const int angle = Draw(0, 255);
  const int roughness = Draw(0, 30);
  std::array<int, 25> lattice{};
  for (int& node : lattice) {
    node = Draw(-roughness, roughness);
  }
  const int cosine = Cosine(angle);
  const int sine = Sine(angle);
  for (int y = 0; y < kSize; ++y) {
    for (int x = 0; x < kSize; ++x) {
      const int along = ((2 * x - 31) * cosine + (2 * y - 31) * sine) / kSineOne;  // -44..44
      const int weight = std::clamp(along + 44, 0, 88);
      const int cell = (y / 8) * 5 + x / 8;
      const int fx = x % 8;
      const int fy = y % 8;
      const int rough = ((lattice[cell] * (8 - fx) + lattice[cell + 1] * fx) * (8 - fy) +
                         (lattice[cell + 5] * (8 - fx) + lattice[cell + 6] * fx) * fy) /
                        64;
      for (int c = 0; c < 3; ++c) {
        canvas_[(y * kSize + x) * 3 + c] = (near_[c] * (88 - weight) + far_[c] * weight) / 88 + rough;
      }
    }
  }
}

// Blends the shape over the canvas, with four samples a pixel.
void Painter::PaintShape(Shape shape, const Placement& place, const Color& color) {
  const int mirror = place.mirrored ? -1 : 1;
  const int u_by_x = Cosine(place.angle) * kShapeFrame / place.radius_u * mirror;
  const int u_by_y = Sine(place.angle) * kShapeFrame / place.radius_u * mirror;
  const int v_by_x = -Sine(place.angle) * kShapeFrame / place.radius_v;
  const int v_by_y = Cosine(place.angle) * kShapeFrame / place.radius_v;
  const int reach = 2 * std::max(place.radius_u, place.radius_v) / kSubpixels + 2;
  const int x_begin = std::max(0, place.x / kSubpixels - reach);
  const int x_end = std::min(kSize, place.x / kSubpixels + reach);
  const int y_begin = std::max(0, place.y / kSubpixels - reach);
  const int y_end = std::min(kSize, place.y / kSubpixels + reach);
  for (int y = y_begin; y < y_end; ++y) {
    for (int x = x_begin; x < x_end; ++x) {
      int covered = 0;
      for (int sample = 0; sample < 4; ++sample) {
        const int dx = x * kSubpixels + 1 + 2 * (sample % 2) - place.x;
        const int dy = y * kSubpixels + 1 + 2 * (sample / 2) - place.y;
        const int u = (dx * u_by_x + dy * u_by_y) / kSineOne;
        const int v = (dx * v_by_x + dy * v_by_y) / kSineOne;
        covered += Inside(shape, u, v) ? 1 : 0;
      }
      int* pixel = &canvas_[(y * kSize + x) * 3];
      for (int c = 0; c < 3; ++c) {
        pixel[c] = (pixel[c] * (4 - covered) + color[c] * covered) / 4;
      }
    }
  }
}

// Small shapes and thin bars that mean nothing.
void Painter::PaintClutter(int count) {
  for (int i = 0; i < count; ++i) {
    const bool bar = Chance(50);
    Placement place;
    place.x = Draw(0, kSize * kSubpixels);
    place.y = Draw(0, kSize * kSubpixels);
    place.radius_v = bar ? Draw(2, 3) : Draw(6, 11);
    place.radius_u = bar ? Draw(8, 22) : place.radius_v;
    place.angle = Draw(0, 255);
    const Shape shape = bar ? kBar : static_cast<Shape>(Draw(kDisc, kTriangle));
    PaintShape(shape, place, AnyColor());
  }
}

void Painter::PaintObject(Shape shape) {
  Placement place;
  const int radius = Draw(38, 54);
  place.x = kSize * kSubpixels / 2 + Draw(-12, 12);
  place.y = kSize * kSubpixels / 2 + Draw(-12, 12);
  place.radius_u = radius;
  place.radius_v = radius * Draw(86, 116) / 100;
  place.angle = Draw(-kMostTurn, kMostTurn);
  place.mirrored = Chance(50);
  PaintShape(shape, place, LighterColor(kLeastContrast));
  if (Chance(kOccluderPercent)) {
    Placement bar;
    bar.x = place.x + Draw(-36, 36);
    bar.y = place.y + Draw(-36, 36);
    bar.radius_u = 40;
    bar.radius_v = Draw(5, 9);
    bar.angle = Draw(0, 255);
    PaintShape(kBar, bar, AnyColor());
  }
}

// Triangular noise of one amplitude for the whole picture.
void Painter::PaintNoise() {
  const int amplitude = Draw(4, kMostNoise);
  uint64_t bits = 0;
  for (size_t i = 0; i < canvas_.size(); ++i) {
    if (i % 4 == 0) {
      bits = random_.NextU64();
    }
    const int noise = static_cast<int>(bits & 255) + static_cast<int>((bits >> 8) & 255) - 255;  // -255..255
    bits >>= 16;
    canvas_[i] += noise * amplitude / 255;
  }
}

Image Painter::ToImage() const {
  Image image;
  image.width = kEmbeddedSize;
  image.height = kEmbeddedSize;
  image.pixels.resize(canvas_.size());
  for (size_t i = 0; i < canvas_.size(); ++i) {
    image.pixels[i] = static_cast<uint8_t>(std::clamp(canvas_[i], 0, 255));
  }
  return image;
}

// The labels 0..9 in an order of their own for every ten pictures.
int64_t LabelOf(const std::string& split, int64_t index) {
  RandomStream random(static_cast<uint64_t>(index / kEmbeddedClasses), "embedded/labels/" + split);
  std::array<int64_t, kEmbeddedClasses> labels{};
  for (int64_t i = 0; i < kEmbeddedClasses; ++i) {
    const int64_t other = static_cast<int64_t>(random.NextBelow(static_cast<uint64_t>(i + 1)));
    labels[i] = labels[other];
    labels[other] = i;
  }
  return labels[index % kEmbeddedClasses];
}

}  // namespace

Result<int64_t> EmbeddedCount(const std::string& split) {
  if (split == "train") {
    return int64_t{60000};
  }
  if (split == "calibration") {
    return int64_t{2000};
  }
  if (split == "test") {
    return int64_t{5000};
  }
  return InvalidArgument("the embedded data set has no split '" + split + "'; it has train, calibration and test");
}

int64_t EmbeddedLabel(const std::string& split, int64_t index) {
  const Result<int64_t> count = EmbeddedCount(split);
  PTQ_CHECK(count.ok() && index >= 0 && index < *count) << "picture " << index << " of split '" << split << "'";
  return LabelOf(split, index);
}

EmbeddedSample DrawEmbedded(const std::string& split, int64_t index) {
  EmbeddedSample sample;
  sample.label = EmbeddedLabel(split, index);
  Painter painter(static_cast<uint64_t>(index), "embedded/pictures/" + split);
  painter.PaintBackground();
  painter.PaintClutter(painter.Draw(1, 4));
  painter.PaintObject(static_cast<Shape>(sample.label));
  painter.PaintClutter(painter.Draw(0, 1));
  painter.PaintNoise();
  sample.image = painter.ToImage();
  return sample;
}

const char* EmbeddedClassName(int64_t label) {
  static constexpr const char* kNames[kEmbeddedClasses] = {"disc", "ring",     "square",  "triangle", "cross",
                                                           "star", "crescent", "stripes", "checker",  "angle"};
  PTQ_CHECK(label >= 0 && label < kEmbeddedClasses) << label;
  return kNames[label];
}

}  // namespace ptq::data
