#include "data/images/orientation.h"

#include <libexif/exif-data.h>

#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "core/base/check.h"

namespace ptq::data {

int ExifOrientation(const std::byte* bytes, size_t size) {
  if (size > std::numeric_limits<unsigned int>::max()) return 1;
  const std::unique_ptr<ExifData, void (*)(ExifData*)> exif(exif_data_new(), exif_data_unref);
  if (exif == nullptr) return 1;
  // With this option libexif rewrites entries that it thinks wrong.
  exif_data_unset_option(exif.get(), EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
  exif_data_load_data(exif.get(), reinterpret_cast<const unsigned char*>(bytes), static_cast<unsigned int>(size));
  const ExifEntry* entry = exif_content_get_entry(exif->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (entry == nullptr || entry->data == nullptr || entry->components < 1) return 1;
  int64_t orientation = 1;
  if (entry->format == EXIF_FORMAT_SHORT && entry->size >= 2) {
    orientation = exif_get_short(entry->data, exif_data_get_byte_order(exif.get()));
  } else if (entry->format == EXIF_FORMAT_LONG && entry->size >= 4) {
    orientation = exif_get_long(entry->data, exif_data_get_byte_order(exif.get()));
  }
  return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
}

Image Orient(Image image, int orientation) {
  PTQ_CHECK(orientation >= 1 && orientation <= 8) << orientation;
  if (orientation == 1) return image;
  const bool swap = orientation >= 5;
  // Where the stored picture is read from the right, and from below, as the turned one is written.
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image turned{swap ? image.height : image.width, swap ? image.width : image.height,
               std::vector<uint8_t>(image.pixels.size())};
  uint8_t* out = turned.pixels.data();
  for (int64_t y = 0; y < turned.height; ++y) {
    for (int64_t x = 0; x < turned.width; ++x, out += 3) {
      int64_t from_x = swap ? y : x;
      int64_t from_y = swap ? x : y;
      if (from_right) from_x = image.width - 1 - from_x;
      if (from_below) from_y = image.height - 1 - from_y;
      std::memcpy(out, &image.pixels[static_cast<size_t>(from_y * image.width + from_x) * 3], 3);
    }
  }
  return turned;
}

}  // namespace ptq::data
