#include "model/image/png_decoder.h"

#include <png.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "model/image/compose.h"
#include "model/image/exif.h"
#include "model/image/failure.h"
#include "model/image/png_chunks.h"
#include "model/image/rejection.h"

namespace cooper::image {
namespace {

constexpr size_t kSignatureBytes = 8;
constexpr size_t kHeaderBytes = 13;    // data of IHDR
constexpr size_t kChunkOverhead = 12;  // length, type, CRC
// The IEND chunk: no data, and its checksum.
constexpr char kEnd[] = "\0\0\0\0IEND\xae\x42\x60\x82";

// What libpng says of data beyond the last row: no pixel is lost.
constexpr absl::string_view kSurplus[] = {"Extra compressed data",
                                          "Too much image data"};

// libpng behind functions that return false on an error. Not copyable; one
// use. It reads the pieces one after another, which must outlive it.
class PngReader {
 public:
  explicit PngReader(absl::Span<const absl::string_view> pieces)
      : pieces_(pieces) {}
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  // Reads up to the pixels and asks for RGB or RGBA of 8 bits.
  bool Start(const DecodeLimits& limits);
  // The next row of the next non-empty pass. `row` has row_bytes(). With the
  // last one the checksums of the pixel data are verified.
  bool ReadRow(uint8_t* row);

  const char* words() const { return failure_.words; }
  bool interlaced() const { return interlaced_; }
  bool has_alpha() const { return channels_ == 4; }
  size_t row_bytes() const { return row_bytes_; }
  uint32_t width() const { return width_; }
  uint32_t height() const { return height_; }

 private:
  static void OnError(png_structp png, png_const_charp message) {
    static_cast<CodecFailure*>(png_get_error_ptr(png))->Raise(message);
  }
  static void OnWarning(png_structp png, png_const_charp message) {
    for (absl::string_view surplus : kSurplus) {
      if (absl::EndsWith(message, surplus)) return;
    }
    OnError(png, message);
  }
  static void OnRead(png_structp png, png_bytep out, size_t count) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    while (count > 0) {
      if (self->piece_.empty()) self->NextPiece();
      const size_t part = std::min(count, self->piece_.size());
      std::memcpy(out, self->piece_.data(), part);
      self->piece_.remove_prefix(part);
      out += part;
      count -= part;
    }
  }
  void NextPiece() {
    if (pieces_.empty()) failure_.Raise("truncated data");
    piece_ = pieces_.front();
    pieces_.remove_prefix(1);
  }
  void Configure(const DecodeLimits& limits);
  void RequestRgb();

  absl::Span<const absl::string_view> pieces_;
  absl::string_view piece_;  // what is left of the current one
  CodecFailure failure_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  bool interlaced_ = false;
  int channels_ = 0;
  size_t row_bytes_ = 0;
  uint32_t width_ = 0;
  uint32_t height_ = 0;
};

void PngReader::Configure(const DecodeLimits& limits) {
  png_set_read_fn(png_, this, &OnRead);
  png_set_user_limits(png_, static_cast<uint32_t>(limits.max_side),
                      static_cast<uint32_t>(limits.max_side));
  png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_set_benign_errors(png_, 1);  // to OnWarning
}

void PngReader::RequestRgb() {
  const int type = png_get_color_type(png_, info_);
  png_set_expand(png_);  // palettes, grey below 8 bits, tRNS to alpha
  png_set_strip_16(png_);
  if ((type & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png_);
}

bool PngReader::Start(const DecodeLimits& limits) {
  if (setjmp(failure_.jump) != 0) return false;
  png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &failure_, &OnError,
                                &OnWarning);
  if (png_ == nullptr) failure_.Raise("out of memory");
  info_ = png_create_info_struct(png_);
  if (info_ == nullptr) failure_.Raise("out of memory");
  Configure(limits);
  png_read_info(png_, info_);
  RequestRgb();
  png_read_update_info(png_, info_);
  interlaced_ = png_get_interlace_type(png_, info_) == PNG_INTERLACE_ADAM7;
  channels_ = png_get_channels(png_, info_);
  row_bytes_ = png_get_rowbytes(png_, info_);
  width_ = png_get_image_width(png_, info_);
  height_ = png_get_image_height(png_, info_);
  if ((channels_ != 3 && channels_ != 4) ||
      row_bytes_ != size_t{width_} * static_cast<size_t>(channels_)) {
    failure_.Raise("unexpected layout of the pixels");
  }
  return true;
}

bool PngReader::ReadRow(uint8_t* row) {
  if (setjmp(failure_.jump) != 0) return false;
  png_read_row(png_, row, nullptr);
  return true;
}

// Rows top to bottom. The raster grows with the rows that really come, so that
// a header alone costs nothing.
bool ReadRows(PngReader& reader, RgbImage& image) {
  const size_t rgb_bytes = size_t{reader.width()} * 3;
  std::vector<uint8_t> row(reader.row_bytes());
  image.pixels.reserve(rgb_bytes * reader.height());
  for (uint32_t y = 0; y < reader.height(); ++y) {
    if (!reader.ReadRow(row.data())) return false;
    if (reader.has_alpha()) {
      ComposePixelsOnWhite(row.data(), reader.width(), row.data());
    }
    image.pixels.insert(image.pixels.end(), row.data(), row.data() + rgb_bytes);
  }
  return true;
}

// Adam7: libpng hands out the seven small images, their pixels are put in
// their places here.
bool ReadInterlaced(PngReader& reader, RgbImage& image) {
  const uint32_t width = reader.width();
  const uint32_t height = reader.height();
  std::vector<uint8_t> row(reader.row_bytes());
  image.pixels.resize(size_t{width} * height * 3);
  for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; ++pass) {
    const uint32_t columns = PNG_PASS_COLS(width, pass);
    const uint32_t rows = PNG_PASS_ROWS(height, pass);
    if (columns == 0 || rows == 0) continue;
    for (uint32_t i = 0; i < rows; ++i) {
      if (!reader.ReadRow(row.data())) return false;
      if (reader.has_alpha()) {
        ComposePixelsOnWhite(row.data(), columns, row.data());
      }
      uint8_t* out = image.pixels.data() +
                     size_t{PNG_ROW_FROM_PASS_ROW(i, pass)} * width * 3;
      for (uint32_t j = 0; j < columns; ++j) {
        std::memcpy(out + size_t{PNG_COL_FROM_PASS_COL(j, pass)} * 3,
                    row.data() + size_t{j} * 3, 3);
      }
    }
  }
  return true;
}

}  // namespace

absl::StatusOr<ImageHeader> ProbePng(absl::string_view bytes,
                                     const DecodeLimits& limits) {
  if (bytes.size() < kSignatureBytes + kChunkOverhead + kHeaderBytes) {
    return Reject(Rejection::kCorrupt,
                  "truncated PNG: the data ends in its header");
  }
  if (ReadPngInteger(bytes, kSignatureBytes) != kHeaderBytes ||
      bytes.substr(kSignatureBytes + 4, 4) != "IHDR") {
    return Reject(Rejection::kCorrupt,
                  "corrupt PNG: the first chunk is not IHDR");
  }
  const uint32_t width = ReadPngInteger(bytes, kSignatureBytes + 8);
  const uint32_t height = ReadPngInteger(bytes, kSignatureBytes + 12);
  COOPER_RETURN_IF_ERROR(CheckSize(width, height, limits));
  return ImageHeader{Format::kPng,
                     {static_cast<int>(width), static_cast<int>(height)}};
}

absl::StatusOr<int64_t> PngDecodeBytes(absl::string_view bytes,
                                       const DecodeLimits& limits) {
  COOPER_ASSIGN_OR_RETURN(const ImageHeader header, ProbePng(bytes, limits));
  COOPER_ASSIGN_OR_RETURN(const PngParts parts, ReadPngParts(bytes));
  // libpng holds two rows, of interlaced images too.
  const int64_t raster = RasterBytes(header.size);
  return parts.orientation == 1 ? raster : 2 * raster;
}

absl::StatusOr<RgbImage> DecodePng(absl::string_view bytes,
                                   const DecodeLimits& limits) {
  COOPER_ASSIGN_OR_RETURN(const ImageHeader header, ProbePng(bytes, limits));
  COOPER_ASSIGN_OR_RETURN(PngParts parts, ReadPngParts(bytes));
  parts.pieces.emplace_back(kEnd, sizeof(kEnd) - 1);
  PngReader reader(parts.pieces);
  RgbImage image;
  image.size = header.size;
  if (!reader.Start(limits) ||
      !(reader.interlaced() ? ReadInterlaced(reader, image)
                            : ReadRows(reader, image))) {
    return Reject(Rejection::kCorrupt,
                  absl::StrCat(parts.ends_early ? "truncated" : "corrupt",
                               " PNG: ", reader.words()));
  }
  return Upright(std::move(image), parts.orientation);
}

}  // namespace cooper::image
