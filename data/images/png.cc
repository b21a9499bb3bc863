#include "data/images/png.h"

#include <png.h>

#include <csetjmp>
#include <cstring>
#include <vector>

namespace ptq::data {
namespace {

// libpng reports errors by longjmp.  Every object with a destructor lives in this class, outside the functions that
// call setjmp.
class PngReader {
 public:
  PngReader(const std::byte* bytes, size_t size) : next_(bytes), left_(size) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, OnError, OnWarning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  bool ready() const { return png_ != nullptr && info_ != nullptr; }
  const char* message() const { return message_; }
  int64_t width() const { return png_get_image_width(png_, info_); }
  int64_t height() const { return png_get_image_height(png_, info_); }

  // Call order: ReadHeader, AskForRgb, ReadRows.  false: message() says why.
  bool ReadHeader() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_read_fn(png_, this, OnRead);
    png_read_info(png_, info_);
    return true;
  }

  bool AskForRgb() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_strip_16(png_);
    png_set_palette_to_rgb(png_);
    png_set_expand_gray_1_2_4_to_8(png_);
    png_set_gray_to_rgb(png_);
    png_set_strip_alpha(png_);
    (void)png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != size_t{3} * png_get_image_width(png_, info_)) {
      png_error(png_, "the pixels cannot be brought to 8-bit RGB");
    }
    return true;
  }

  // rows: `height` pointers to 3 * width bytes.
  bool ReadRows(png_bytepp rows) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_image(png_, rows);
    png_read_end(png_, info_);
    return true;
  }

  // After ReadRows: the eXIf chunk stands before or after the pixels.
  std::string Exif() {
    png_uint_32 size = 0;
    png_bytep bytes = nullptr;
    if (png_get_eXIf_1(png_, info_, &size, &bytes) == 0) return "";
    return std::string(reinterpret_cast<const char*>(bytes), size);
  }

 private:
  [[noreturn]] static void OnError(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngReader*>(png_get_error_ptr(png));
    std::strncpy(self->message_, message, sizeof(self->message_) - 1);
    png_longjmp(png, 1);
  }
  // Warnings concern chunks that do not change the pixels.
  static void OnWarning(png_structp, png_const_charp) {}
  static void OnRead(png_structp png, png_bytep out, size_t size) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (size > self->left_) png_error(png, "the file ends too early");
    std::memcpy(out, self->next_, size);
    self->next_ += size;
    self->left_ -= size;
  }

  const std::byte* next_;
  size_t left_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  char message_[160] = {};
};

Error Damaged(const PngReader& reader, const std::string& where) {
  return Corrupt(std::string("the PNG file is damaged or cut short: ") + reader.message(), where);
}

}  // namespace

bool LooksLikePng(const std::byte* bytes, size_t size) {
  return size >= 8 && png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes), 0, 8) == 0;
}

Result<Image> DecodePng(const std::byte* bytes, size_t size, int64_t max_pixels, const std::string& where,
                        std::string* exif) {
  PngReader reader(bytes, size);
  if (!reader.ready()) return Internal("libpng cannot start a decoder", where);
  if (!reader.ReadHeader()) return Damaged(reader, where);
  const int64_t width = reader.width();
  const int64_t height = reader.height();
  if (width * height > max_pixels) {
    return Unsupported("the picture has " + std::to_string(width) + "x" + std::to_string(height) +
                           " pixels, more than the accepted " + std::to_string(max_pixels),
                       where);
  }
  if (!reader.AskForRgb()) return Damaged(reader, where);
  Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(width * height) * 3)};
  std::vector<png_bytep> rows(static_cast<size_t>(height));
  for (int64_t y = 0; y < height; ++y) rows[static_cast<size_t>(y)] = image.pixels.data() + y * width * 3;
  if (!reader.ReadRows(rows.data())) return Damaged(reader, where);
  *exif = reader.Exif();
  return image;
}

Result<std::string> EncodePng(const Image& image) {
  if (image.width <= 0 || image.height <= 0) return InvalidArgument("a picture without pixels cannot be a PNG file");
  png_image header = {};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(image.width);
  header.height = static_cast<png_uint_32>(image.height);
  header.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(header);
  std::string bytes(size, '\0');
  if (png_image_write_to_memory(&header, bytes.data(), &size, 0, image.pixels.data(), 0, nullptr) == 0) {
    return Internal(std::string("libpng cannot write the picture: ") + header.message);
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace ptq::data
