#include <png.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/image/codec.h"
#include "model/image/failure.h"

namespace cooper::image {
namespace {

// Maps are smooth or flat: little effort finds most of the savings.
constexpr int kCompressionLevel = 3;

struct PngLayout {
  Size size;
  int bit_depth = 8;
  int colour_type = PNG_COLOR_TYPE_RGB;
  int filters = PNG_FILTER_SUB;
  size_t row_bytes = 0;
};

// libpng's writer behind functions that return false on an error.
class PngWriter {
 public:
  PngWriter() = default;
  ~PngWriter() { png_destroy_write_struct(&png_, &info_); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;

  bool Write(const PngLayout& layout, const uint8_t* pixels);

  const char* words() const { return failure_.words; }
  std::string TakeFile() { return std::move(file_); }

 private:
  static void OnError(png_structp png, png_const_charp message) {
    static_cast<CodecFailure*>(png_get_error_ptr(png))->Raise(message);
  }
  static void OnWrite(png_structp png, png_bytep data, size_t count) {
    static_cast<PngWriter*>(png_get_io_ptr(png))
        ->file_.append(reinterpret_cast<const char*>(data), count);
  }
  static void OnFlush(png_structp png) {}

  std::string file_;
  CodecFailure failure_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

bool PngWriter::Write(const PngLayout& layout, const uint8_t* pixels) {
  if (setjmp(failure_.jump) != 0) return false;
  png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &failure_, &OnError,
                                 &OnError);
  if (png_ == nullptr) failure_.Raise("out of memory");
  info_ = png_create_info_struct(png_);
  if (info_ == nullptr) failure_.Raise("out of memory");
  png_set_write_fn(png_, this, &OnWrite, &OnFlush);
  png_set_compression_level(png_, kCompressionLevel);
  png_set_filter(png_, PNG_FILTER_TYPE_BASE, layout.filters);
  png_set_IHDR(png_, info_, static_cast<png_uint_32>(layout.size.width),
               static_cast<png_uint_32>(layout.size.height), layout.bit_depth,
               layout.colour_type, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png_, info_);
  for (int y = 0; y < layout.size.height; ++y) {
    png_write_row(png_, pixels + static_cast<size_t>(y) * layout.row_bytes);
  }
  png_write_end(png_, nullptr);
  return true;
}

absl::StatusOr<std::string> Encode(const PngLayout& layout,
                                   const std::vector<uint8_t>& pixels) {
  if (layout.size.width <= 0 || layout.size.height <= 0 ||
      pixels.size() !=
          layout.row_bytes * static_cast<size_t>(layout.size.height)) {
    return absl::InternalError("the image to encode has no or wrong pixels");
  }
  PngWriter writer;
  if (!writer.Write(layout, pixels.data())) {
    return absl::InternalError(
        absl::StrCat("PNG encoding failed: ", writer.words()));
  }
  return writer.TakeFile();
}

}  // namespace

absl::StatusOr<std::string> EncodePng(const RgbImage& image) {
  PngLayout layout;
  layout.size = image.size;
  layout.row_bytes = static_cast<size_t>(image.size.width) * 3;
  return Encode(layout, image.pixels);
}

absl::StatusOr<std::string> EncodePng16(const FloatGreyImage& image) {
  PngLayout layout;
  layout.size = image.size;
  layout.bit_depth = 16;
  layout.colour_type = PNG_COLOR_TYPE_GRAY;
  layout.row_bytes = static_cast<size_t>(image.size.width) * 2;
  std::vector<uint8_t> pixels;
  pixels.reserve(image.pixels.size() * 2);
  for (float value : image.pixels) {
    // Also turns a NaN into 0.
    const double clamped = value > 0 ? std::min(double{value}, 1.0) : 0.0;
    const auto level = static_cast<uint32_t>(std::lround(clamped * 65535));
    pixels.push_back(static_cast<uint8_t>(level >> 8));
    pixels.push_back(static_cast<uint8_t>(level & 0xff));
  }
  return Encode(layout, pixels);
}

}  // namespace cooper::image
