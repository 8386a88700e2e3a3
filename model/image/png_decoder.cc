#include "model/image/png_decoder.h"

#include <png.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/image/compose.h"
#include "model/image/exif.h"
#include "model/image/failure.h"
#include "model/image/rejection.h"
#include "server/base/status_macros.h"

namespace cooper::image {
namespace {

constexpr size_t kSignatureBytes = 8;
constexpr size_t kHeaderBytes = 13;         // data of IHDR
constexpr size_t kChunkOverhead = 12;       // length, type, CRC
constexpr uint32_t kMaxValue = 0x7fffffff;  // of a PNG integer

uint32_t ReadBigEndian(absl::string_view bytes, size_t offset) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value = value << 8 | static_cast<uint8_t>(bytes[offset + i]);
  }
  return value;
}

absl::Status Corrupt(absl::string_view words) {
  return Reject(Rejection::kCorrupt, absl::StrCat("corrupt PNG: ", words));
}

absl::Status Truncated(absl::string_view where) {
  return Reject(Rejection::kCorrupt,
                absl::StrCat("truncated PNG: the data ends in ", where));
}

// Walks all chunks without reading their data: finds cut files, oversized
// chunks and the orientation before libpng sees a byte.
absl::StatusOr<int> CheckChunks(absl::string_view bytes,
                                const DecodeLimits& limits) {
  int orientation = 1;
  bool has_pixels = false;
  size_t offset = kSignatureBytes;
  while (true) {
    if (bytes.size() - offset < 8) return Truncated("a chunk header");
    const uint32_t length = ReadBigEndian(bytes, offset);
    const absl::string_view type = bytes.substr(offset + 4, 4);
    if (length > kMaxValue) return Corrupt("a chunk length is over 2^31-1");
    const bool is_pixels = type == "IDAT" || type == "fdAT";
    if (!is_pixels && length > limits.max_chunk_bytes) {
      return Reject(
          Rejection::kChunk,
          absl::StrCat("PNG chunk ", type, " has ", length,
                       " bytes; the limit is ", limits.max_chunk_bytes));
    }
    if (bytes.size() - offset < kChunkOverhead + length) {
      return Truncated(absl::StrCat("chunk ", type));
    }
    if (type == "eXIf") {
      orientation = ExifOrientation(bytes.substr(offset + 8, length));
    }
    has_pixels = has_pixels || type == "IDAT";
    if (type == "IEND") break;
    offset += kChunkOverhead + length;
  }
  if (!has_pixels) return Corrupt("there is no IDAT chunk");
  return orientation;
}

// libpng behind functions that return false on an error. Not copyable; one
// use. The bytes must outlive it.
class PngReader {
 public:
  explicit PngReader(absl::string_view bytes) : bytes_(bytes) {}
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  // Reads up to the pixels and asks for RGB or RGBA of 8 bits.
  bool Start(const DecodeLimits& limits);
  // The next row of the next non-empty pass. `row` has row_bytes().
  bool ReadRow(uint8_t* row);
  // Checks what follows the pixels, checksums included.
  bool Finish();

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
  static void OnRead(png_structp png, png_bytep out, size_t count) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (self->bytes_.size() - self->offset_ < count) {
      self->failure_.Raise("truncated data");
    }
    std::memcpy(out, self->bytes_.data() + self->offset_, count);
    self->offset_ += count;
  }
  void Configure(const DecodeLimits& limits);
  void RequestRgb();

  absl::string_view bytes_;
  size_t offset_ = 0;
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
  png_set_chunk_cache_max(png_, 16);
  png_set_chunk_malloc_max(
      png_, static_cast<png_alloc_size_t>(limits.max_chunk_bytes));
  png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_set_benign_errors(png_, 0);
  // -1: every chunk that is not needed for the pixels, known to libpng or not.
  png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
}

void PngReader::RequestRgb() {
  const int type = png_get_color_type(png_, info_);
  png_set_expand(png_);  // palettes, grey below 8 bits, tRNS to alpha
  png_set_strip_16(png_);
  if ((type & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png_);
  if (type == PNG_COLOR_TYPE_GRAY_ALPHA) png_set_strip_alpha(png_);
}

bool PngReader::Start(const DecodeLimits& limits) {
  if (setjmp(failure_.jump) != 0) return false;
  png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &failure_, &OnError,
                                &OnError);
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

bool PngReader::Finish() {
  if (setjmp(failure_.jump) != 0) return false;
  png_read_end(png_, nullptr);
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
    return Truncated("its header");
  }
  if (ReadBigEndian(bytes, kSignatureBytes) != kHeaderBytes ||
      bytes.substr(kSignatureBytes + 4, 4) != "IHDR") {
    return Corrupt("the first chunk is not IHDR");
  }
  const uint32_t width = ReadBigEndian(bytes, kSignatureBytes + 8);
  const uint32_t height = ReadBigEndian(bytes, kSignatureBytes + 12);
  COOPER_RETURN_IF_ERROR(CheckSize(width, height, limits));
  return ImageHeader{Format::kPng,
                     {static_cast<int>(width), static_cast<int>(height)}};
}

absl::StatusOr<RgbImage> DecodePng(absl::string_view bytes,
                                   const DecodeLimits& limits) {
  COOPER_ASSIGN_OR_RETURN(const ImageHeader header, ProbePng(bytes, limits));
  COOPER_ASSIGN_OR_RETURN(const int orientation, CheckChunks(bytes, limits));
  PngReader reader(bytes);
  if (!reader.Start(limits)) return Corrupt(reader.words());
  RgbImage image;
  image.size = header.size;
  const bool complete = reader.interlaced() ? ReadInterlaced(reader, image)
                                            : ReadRows(reader, image);
  if (!complete || !reader.Finish()) return Corrupt(reader.words());
  return Upright(std::move(image), orientation);
}

}  // namespace cooper::image
