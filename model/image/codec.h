#ifndef COOPER_MODEL_IMAGE_CODEC_H_
#define COOPER_MODEL_IMAGE_CODEC_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/image/image.h"

namespace cooper::image {

enum class Format { kPng, kJpeg, kWebp };

// Limits checked against the header, before any raster is allocated.
struct DecodeLimits {
  int64_t max_pixels = int64_t{64} << 20;  // width * height
  int max_side = 32768;                    // px
  double max_aspect = 200.0;               // long edge / short edge
  int max_jpeg_scans = 100;                // progressive scans
};

// What the header says.
struct ImageHeader {
  Format format;
  Size size;  // as stored, before the EXIF orientation
};

// Why bytes were refused; the payload of every error of this file (a closed
// set, fit for a metric's label).
enum class Rejection { kFormat, kCorrupt, kPixels, kAspect, kChunk, kScans };
const char* RejectionName(Rejection rejection);
// The reason attached to an error of this file; kCorrupt where none is.
Rejection RejectionOf(const absl::Status& status);

// The size rules of `limits`, aspect first (a thin strip is refused as a strip,
// not for its length). Sides in px, of any value. INVALID_ARGUMENT: a limit.
absl::Status CheckSize(int64_t width, int64_t height,
                       const DecodeLimits& limits);

// Reads only the header. INVALID_ARGUMENT: unknown format (the message names
// what the bytes look like: empty, text, HTML, PDF, GIF, ...), truncated
// header, or a limit (the message names the value and the limit).
absl::StatusOr<ImageHeader> ProbeImage(absl::string_view bytes,
                                       const DecodeLimits& limits);

// The memory that DecodeImage needs at its peak, bytes: the raster, what the
// codec holds beside it (of a progressive JPEG all coefficients) and the copy
// that an EXIF orientation takes. From the headers alone; at most a few MiB too
// low, and for an animated WebP up to a half too high.
// INVALID_ARGUMENT as ProbeImage.
absl::StatusOr<int64_t> PeakDecodeBytes(absl::string_view bytes,
                                        const DecodeLimits& limits);

// Decodes PNG (all colour types and depths, interlaced too), JPEG (grey,
// YCbCr, RGB, CMYK and YCCK; baseline and progressive) and WebP (first frame)
// to RGB. Applies the EXIF orientation; composes alpha on white, of grey images
// too, as (x*a + 255*(255-a))/255 rounded; 16 bits keep their high byte.
// Flaws that lose no pixel are ignored, those that lose some are errors:
// truncated or corrupt data never gives half an image (jpeg_decoder.h and
// png_decoder.h say which are which).
// INVALID_ARGUMENT as ProbeImage, or for corrupt data (the message carries the
// codec's own words). Blocks for the decoding; thread-safe.
absl::StatusOr<RgbImage> DecodeImage(absl::string_view bytes,
                                     const DecodeLimits& limits);

// Encoders; bytes of a whole file. INTERNAL where the codec fails.
absl::StatusOr<std::string> EncodePng(const RgbImage& image);
// 16-bit grey: round(value * 65535), values clamped to [0, 1].
absl::StatusOr<std::string> EncodePng16(const FloatGreyImage& image);
absl::StatusOr<std::string> EncodeJpeg(const RgbImage& image, int quality);

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_CODEC_H_
