#include "model/image/jpeg_decoder.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/image/compose.h"
#include "model/image/exif.h"
#include "model/image/failure.h"
#include "model/image/jpeg_library.h"
#include "model/image/jpeg_markers.h"
#include "model/image/rejection.h"

namespace cooper::image {
namespace {

// libjpeg-turbo behind functions that return false on an error. Not copyable;
// one use. The bytes must outlive it.
class JpegReader {
 public:
  explicit JpegReader(absl::string_view bytes) : bytes_(bytes) {}
  ~JpegReader() { jpeg_destroy_decompress(&codec_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  // Reads up to the pixels; where there are several scans, all of them.
  bool Start(const JpegHeader& header, int max_scans);
  // `row` has row_bytes(). What follows the last row is not looked at.
  bool ReadRow(uint8_t* row);

  absl::Status error() const;
  bool is_cmyk() const { return codec_.out_color_space == JCS_CMYK; }
  size_t row_bytes() const {
    return size_t{codec_.output_width} *
           static_cast<size_t>(codec_.output_components);
  }

 private:
  static JpegReader* Self(j_common_ptr codec) {
    return static_cast<JpegReader*>(codec->client_data);
  }
  static void OnError(j_common_ptr codec) {
    char message[JMSG_LENGTH_MAX];
    codec->err->format_message(codec, message);
    Self(codec)->failure_.Raise(message);
  }
  // Negative levels are warnings.
  static void OnMessage(j_common_ptr codec, int level) {
    if (level < 0 && Self(codec)->LosesPixels()) OnError(codec);
  }
  static void OnProgress(j_common_ptr codec) {
    JpegReader* self = Self(codec);
    if (self->codec_.input_scan_number <= self->max_scans_) return;
    self->failure_.rejection = Rejection::kScans;
    self->failure_.Raise("too many scans");
  }
  // Whether the current warning says that data was invented or skipped.
  bool LosesPixels();
  // Whether the scans that were read hold the whole picture.
  bool HasAllScans() const;

  absl::string_view bytes_;
  CodecFailure failure_;
  int max_scans_ = 0;
  bool ended_ = false;  // the bytes ended before an end marker
  jpeg_error_mgr errors_ = {};
  jpeg_progress_mgr progress_ = {};
  jpeg_decompress_struct codec_ = {};
};

bool JpegReader::LosesPixels() {
  switch (errors_.msg_code) {
    case JWRN_JFIF_MAJOR:      // an unknown version
    case JWRN_ADOBE_XFORM:     // an unknown transform: taken as the usual one
    case JWRN_NOT_SEQUENTIAL:  // a scan's parameters that say nothing here
      return false;
    case JWRN_EXTRANEOUS_DATA: {
      // Padding is put before any marker but a restart: there it is the rest of
      // a segment that was not understood.
      const int marker = errors_.msg_parm.i[1];
      return marker >= JPEG_RST0 && marker <= JPEG_RST0 + 7;
    }
    case JWRN_JPEG_EOF:
      // Where Huffman-coded data is missing, JWRN_HIT_MARKER follows.
      // Arithmetic coding has no such warning: it goes on with zeros.
      ended_ = true;
      return codec_.arith_code != FALSE;
    default:
      return true;
  }
}

bool JpegReader::HasAllScans() const {
  for (int i = 0; i < codec_.num_components; ++i) {
    // Set by a component's first scan.
    if (codec_.comp_info[i].quant_table == nullptr) return false;
    if (codec_.progressive_mode == FALSE) continue;
    // Bits of precision that are still missing; -1: no scan had any. A picture
    // may do without some, but then it has to say where it ends.
    const int* bits = codec_.coef_bits[i];
    if (bits[0] < 0) return false;
    if (ended_ && std::any_of(bits, bits + DCTSIZE2,
                              [](int missing) { return missing != 0; })) {
      return false;
    }
  }
  return true;
}

bool JpegReader::Start(const JpegHeader& header, int max_scans) {
  if (setjmp(failure_.jump) != 0) return false;
  max_scans_ = max_scans;
  codec_.err = jpeg_std_error(&errors_);
  codec_.client_data = this;
  errors_.error_exit = &OnError;
  errors_.emit_message = &OnMessage;
  jpeg_create_decompress(&codec_);
  progress_.progress_monitor = &OnProgress;
  codec_.progress = &progress_;
  jpeg_mem_src(&codec_, reinterpret_cast<const unsigned char*>(bytes_.data()),
               bytes_.size());
  jpeg_read_header(&codec_, TRUE);
  // The limits were checked on our own reading of the header.
  if (codec_.image_width != static_cast<JDIMENSION>(header.size.width) ||
      codec_.image_height != static_cast<JDIMENSION>(header.size.height) ||
      codec_.num_components != header.components) {
    failure_.Raise("its header is ambiguous");
  }
  codec_.out_color_space = header.components == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&codec_);
  if (jpeg_has_multiple_scans(&codec_) != FALSE && !HasAllScans()) {
    failure_.Raise("scans are missing");
  }
  return true;
}

bool JpegReader::ReadRow(uint8_t* row) {
  if (setjmp(failure_.jump) != 0) return false;
  JSAMPROW rows[] = {row};
  if (jpeg_read_scanlines(&codec_, rows, 1) != 1) failure_.Raise("no row");
  return true;
}

absl::Status JpegReader::error() const {
  if (failure_.rejection == Rejection::kScans) {
    return Reject(
        Rejection::kScans,
        absl::StrCat("the JPEG has more scans than the limit of ", max_scans_));
  }
  return Reject(Rejection::kCorrupt,
                absl::StrCat(ended_ ? "truncated JPEG: " : "corrupt JPEG: ",
                             failure_.words));
}

// As stored. libjpeg's memory is free again afterwards.
absl::StatusOr<RgbImage> ReadRaster(absl::string_view bytes,
                                    const JpegHeader& header, int max_scans) {
  JpegReader reader(bytes);
  if (!reader.Start(header, max_scans)) return reader.error();
  const auto width = static_cast<size_t>(header.size.width);
  RgbImage image;
  image.size = header.size;
  // Grows with the rows that really come.
  image.pixels.reserve(width * 3 * static_cast<size_t>(header.size.height));
  std::vector<uint8_t> row(reader.row_bytes());
  for (int y = 0; y < header.size.height; ++y) {
    if (!reader.ReadRow(row.data())) return reader.error();
    if (reader.is_cmyk()) InvertedCmykToRgb(row.data(), width, row.data());
    image.pixels.insert(image.pixels.end(), row.data(), row.data() + width * 3);
  }
  return image;
}

}  // namespace

absl::StatusOr<ImageHeader> ProbeJpeg(absl::string_view bytes,
                                      const DecodeLimits& limits) {
  COOPER_ASSIGN_OR_RETURN(const JpegHeader header,
                          ReadJpegHeader(bytes, limits));
  return ImageHeader{Format::kJpeg, header.size};
}

absl::StatusOr<int64_t> JpegDecodeBytes(absl::string_view bytes,
                                        const DecodeLimits& limits) {
  COOPER_ASSIGN_OR_RETURN(const JpegHeader header,
                          ReadJpegHeader(bytes, limits));
  const int64_t raster = RasterBytes(header.size);
  const int64_t turned = header.orientation == 1 ? 0 : raster;
  return raster + std::max(header.coefficient_bytes, turned);
}

absl::StatusOr<RgbImage> DecodeJpeg(absl::string_view bytes,
                                    const DecodeLimits& limits) {
  COOPER_ASSIGN_OR_RETURN(const JpegHeader header,
                          ReadJpegHeader(bytes, limits));
  COOPER_ASSIGN_OR_RETURN(RgbImage image,
                          ReadRaster(bytes, header, limits.max_jpeg_scans));
  return Upright(std::move(image), header.orientation);
}

}  // namespace cooper::image
