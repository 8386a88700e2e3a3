#include "model/image/webp_decoder.h"

#include <webp/decode.h>
#include <webp/demux.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/image/compose.h"
#include "model/image/exif.h"
#include "model/image/rejection.h"

namespace cooper::image {
namespace {

constexpr size_t kRiffHeaderBytes = 12;
constexpr size_t kFlagsOffset = kRiffHeaderBytes + 8;  // of a VP8X chunk
constexpr size_t kMaxChunks = 10000;
constexpr int kLossy = 1;  // WebPBitstreamFeatures::format

struct DemuxerDeleter {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};
using Demuxer = std::unique_ptr<WebPDemuxer, DemuxerDeleter>;

absl::Status CodecError(VP8StatusCode code) {
  const char* words = "unknown error";
  switch (code) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      return Reject(Rejection::kCorrupt, "truncated WebP: the data ends early");
    case VP8_STATUS_BITSTREAM_ERROR:
      words = "bitstream error";
      break;
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      words = "unsupported feature";
      break;
    case VP8_STATUS_OUT_OF_MEMORY:
      words = "out of memory";
      break;
    case VP8_STATUS_OK:
    case VP8_STATUS_INVALID_PARAM:
    case VP8_STATUS_USER_ABORT:
      break;
  }
  return Reject(Rejection::kCorrupt, absl::StrCat("corrupt WebP: ", words));
}

const uint8_t* Data(absl::string_view bytes) {
  return reinterpret_cast<const uint8_t*>(bytes.data());
}

uint32_t ReadLittleEndian(absl::string_view bytes, size_t offset) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(bytes[offset + i]);
  }
  return value;
}

// The demuxer keeps a record of every chunk, several times the size of an
// empty one: their number is bounded before it runs. `bytes` has a RIFF header.
absl::Status CheckChunks(absl::string_view bytes) {
  const size_t end = size_t{8} + ReadLittleEndian(bytes, 4);
  if (end > bytes.size()) return CodecError(VP8_STATUS_NOT_ENOUGH_DATA);
  size_t chunks = 0;
  for (size_t offset = kRiffHeaderBytes; offset + 8 <= end;) {
    if (++chunks > kMaxChunks) {
      return Reject(Rejection::kChunk,
                    absl::StrCat("the WebP has more chunks than the limit of ",
                                 kMaxChunks));
    }
    const size_t length = ReadLittleEndian(bytes, offset + 4);
    offset += 8 + length + length % 2;
  }
  return absl::OkStatus();
}

// Reads all chunk headers; no pixels.
absl::StatusOr<Demuxer> Demux(absl::string_view bytes) {
  const WebPData data = {Data(bytes), bytes.size()};
  WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
  // The partial parser tells a cut file from a malformed one.
  Demuxer demuxer(WebPDemuxPartial(&data, &state));
  if (state == WEBP_DEMUX_PARSING_HEADER || state == WEBP_DEMUX_PARSED_HEADER) {
    return CodecError(VP8_STATUS_NOT_ENOUGH_DATA);
  }
  if (demuxer == nullptr || state != WEBP_DEMUX_DONE) {
    return CodecError(VP8_STATUS_BITSTREAM_ERROR);
  }
  return demuxer;
}

int Orientation(const WebPDemuxer* demuxer) {
  if ((WebPDemuxGetI(demuxer, WEBP_FF_FORMAT_FLAGS) & EXIF_FLAG) == 0) return 1;
  WebPChunkIterator chunk;
  int orientation = 1;
  if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk) != 0) {
    orientation = ExifOrientation(absl::string_view(
        reinterpret_cast<const char*>(chunk.chunk.bytes), chunk.chunk.size));
    WebPDemuxReleaseChunkIterator(&chunk);
  }
  return orientation;
}

// Decodes `frame` onto `canvas`, which it must lie within.
absl::Status DrawFrame(const WebPIterator& frame, RgbImage& canvas) {
  const WebPData& data = frame.fragment;
  WebPBitstreamFeatures features;
  const VP8StatusCode status =
      WebPGetFeatures(data.bytes, data.size, &features);
  if (status != VP8_STATUS_OK) return CodecError(status);
  if (features.width != frame.width || features.height != frame.height ||
      frame.x_offset < 0 || frame.y_offset < 0 ||
      frame.x_offset + frame.width > canvas.size.width ||
      frame.y_offset + frame.height > canvas.size.height) {
    return CodecError(VP8_STATUS_BITSTREAM_ERROR);
  }
  const auto width = static_cast<size_t>(frame.width);
  const auto height = static_cast<size_t>(frame.height);
  const size_t channels = features.has_alpha != 0 ? 4 : 3;
  std::vector<uint8_t> pixels(width * height * channels);
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) {
    return absl::InternalError("libwebp has another version than its headers");
  }
  config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = pixels.data();
  config.output.u.RGBA.stride = static_cast<int>(width * channels);
  config.output.u.RGBA.size = pixels.size();
  const VP8StatusCode decoded = WebPDecode(data.bytes, data.size, &config);
  WebPFreeDecBuffer(&config.output);
  if (decoded != VP8_STATUS_OK) return CodecError(decoded);
  if (channels == 4) {
    ComposePixelsOnWhite(pixels.data(), width * height, pixels.data());
    pixels.resize(width * height * 3);
  }
  if (canvas.size == Size{frame.width, frame.height}) {
    canvas.pixels = std::move(pixels);
    return absl::OkStatus();
  }
  const auto canvas_width = static_cast<size_t>(canvas.size.width);
  canvas.pixels.assign(
      canvas_width * static_cast<size_t>(canvas.size.height) * 3, 255);
  for (size_t y = 0; y < height; ++y) {
    const size_t row = static_cast<size_t>(frame.y_offset) + y;
    const size_t column = static_cast<size_t>(frame.x_offset);
    std::memcpy(canvas.pixels.data() + (row * canvas_width + column) * 3,
                pixels.data() + y * width * 3, width * 3);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ImageHeader> ProbeWebp(absl::string_view bytes,
                                      const DecodeLimits& limits) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status =
      WebPGetFeatures(Data(bytes), bytes.size(), &features);
  if (status != VP8_STATUS_OK) return CodecError(status);
  COOPER_RETURN_IF_ERROR(CheckSize(features.width, features.height, limits));
  return ImageHeader{Format::kWebp, {features.width, features.height}};
}

absl::StatusOr<int64_t> WebpDecodeBytes(absl::string_view bytes,
                                        const DecodeLimits& limits) {
  COOPER_ASSIGN_OR_RETURN(const ImageHeader header, ProbeWebp(bytes, limits));
  WebPBitstreamFeatures features;
  const VP8StatusCode status =
      WebPGetFeatures(Data(bytes), bytes.size(), &features);
  if (status != VP8_STATUS_OK) return CodecError(status);
  const int64_t pixels = int64_t{header.size.width} * header.size.height;
  // Bytes a pixel. Lossless coding holds the picture as A R G B beside the
  // output, lossy coding only some rows, but an alpha plane twice. The format
  // of an animation's frames is not known here, and they lie on a canvas.
  const int64_t output = features.has_alpha != 0 ? 4 : 3;
  const int64_t canvas = features.has_animation != 0 ? 3 : 0;
  int64_t codec = 4;
  if (features.format == kLossy) codec = features.has_alpha != 0 ? 2 : 0;
  const bool extended = bytes.size() > kFlagsOffset &&
                        bytes.substr(kRiffHeaderBytes, 4) == "VP8X";
  const bool may_turn =
      extended && (static_cast<uint8_t>(bytes[kFlagsOffset]) & EXIF_FLAG) != 0;
  return pixels *
         (output + std::max({codec, canvas, int64_t{may_turn ? 3 : 0}}));
}

absl::StatusOr<RgbImage> DecodeWebp(absl::string_view bytes,
                                    const DecodeLimits& limits) {
  COOPER_ASSIGN_OR_RETURN(const ImageHeader header, ProbeWebp(bytes, limits));
  COOPER_RETURN_IF_ERROR(CheckChunks(bytes));
  COOPER_ASSIGN_OR_RETURN(const Demuxer demuxer, Demux(bytes));
  RgbImage canvas;
  canvas.size = header.size;
  if (WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH) !=
          static_cast<uint32_t>(header.size.width) ||
      WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT) !=
          static_cast<uint32_t>(header.size.height)) {
    return CodecError(VP8_STATUS_BITSTREAM_ERROR);
  }
  WebPIterator frame;
  if (WebPDemuxGetFrame(demuxer.get(), 1, &frame) == 0) {
    return CodecError(VP8_STATUS_BITSTREAM_ERROR);
  }
  const absl::Status status = DrawFrame(frame, canvas);
  WebPDemuxReleaseIterator(&frame);
  COOPER_RETURN_IF_ERROR(status);
  return Upright(std::move(canvas), Orientation(demuxer.get()));
}

}  // namespace cooper::image
