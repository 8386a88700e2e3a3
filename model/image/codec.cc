#include "model/image/codec.h"

#include "base/status_macros.h"
#include "model/image/jpeg_decoder.h"
#include "model/image/png_decoder.h"
#include "model/image/rejection.h"
#include "model/image/sniff.h"
#include "model/image/webp_decoder.h"

namespace cooper::image {

absl::StatusOr<ImageHeader> ProbeImage(absl::string_view bytes,
                                       const DecodeLimits& limits) {
  COOPER_ASSIGN_OR_RETURN(const Format format, SniffFormat(bytes));
  switch (format) {
    case Format::kPng:
      return ProbePng(bytes, limits);
    case Format::kJpeg:
      return ProbeJpeg(bytes, limits);
    case Format::kWebp:
      return ProbeWebp(bytes, limits);
  }
  return absl::InternalError("a format without a decoder");
}

absl::StatusOr<int64_t> PeakDecodeBytes(absl::string_view bytes,
                                        const DecodeLimits& limits) {
  COOPER_ASSIGN_OR_RETURN(const Format format, SniffFormat(bytes));
  switch (format) {
    case Format::kPng:
      return PngDecodeBytes(bytes, limits);
    case Format::kJpeg:
      return JpegDecodeBytes(bytes, limits);
    case Format::kWebp:
      return WebpDecodeBytes(bytes, limits);
  }
  return absl::InternalError("a format without a decoder");
}

absl::StatusOr<RgbImage> DecodeImage(absl::string_view bytes,
                                     const DecodeLimits& limits) {
  COOPER_ASSIGN_OR_RETURN(const Format format, SniffFormat(bytes));
  switch (format) {
    case Format::kPng:
      return DecodePng(bytes, limits);
    case Format::kJpeg:
      return DecodeJpeg(bytes, limits);
    case Format::kWebp:
      return DecodeWebp(bytes, limits);
  }
  return absl::InternalError("a format without a decoder");
}

}  // namespace cooper::image
