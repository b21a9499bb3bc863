#include "data/images/decode.h"

#include <cstring>
#include <utility>

#include "data/files/file_io.h"
#include "data/images/jpeg.h"
#include "data/images/orientation.h"
#include "data/images/png.h"

namespace ptq::data {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{1} << 30;

Error UnknownFormat(const std::byte* bytes, size_t size, const std::string& where) {
  const auto begins_with = [&](const char* magic, size_t length) {
    return size >= length && std::memcmp(bytes, magic, length) == 0;
  };
  if (size == 0) return Corrupt("the picture file is empty", where);
  const char* known = nullptr;
  if (begins_with("GIF8", 4)) known = "GIF";
  if (begins_with("BM", 2)) known = "BMP";
  if (begins_with("RIFF", 4)) known = "WebP";
  if (begins_with("II*\0", 4) || begins_with("MM\0*", 4)) known = "TIFF";
  if (known != nullptr) {
    return Unsupported(std::string("this seems to be a ") + known + " picture; convert it to JPEG or PNG", where);
  }
  return Corrupt("this is neither a JPEG nor a PNG file", where);
}

}  // namespace

Result<Image> DecodeImage(const std::byte* bytes, size_t size, bool apply_exif_orientation, const std::string& where,
                          int64_t max_pixels) {
  if (LooksLikeJpeg(bytes, size)) {
    PTQ_ASSIGN_OR_RETURN(Image image, DecodeJpeg(bytes, size, max_pixels, where));
    return apply_exif_orientation ? Orient(std::move(image), ExifOrientation(bytes, size)) : std::move(image);
  }
  if (LooksLikePng(bytes, size)) {
    std::string exif;
    PTQ_ASSIGN_OR_RETURN(Image image, DecodePng(bytes, size, max_pixels, where, &exif));
    if (!apply_exif_orientation || exif.empty()) return image;
    exif.insert(0, "Exif\0\0", 6);
    return Orient(std::move(image), ExifOrientation(reinterpret_cast<const std::byte*>(exif.data()), exif.size()));
  }
  return UnknownFormat(bytes, size, where);
}

Result<Image> ReadImage(const std::string& path, bool apply_exif_orientation) {
  PTQ_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, kMaxFileBytes));
  return DecodeImage(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), apply_exif_orientation, path);
}

Status WritePng(const std::string& path, const Image& image) {
  PTQ_ASSIGN_OR_RETURN(const std::string bytes, EncodePng(image));
  return WriteFileAtomically(path, bytes);
}

}  // namespace ptq::data
