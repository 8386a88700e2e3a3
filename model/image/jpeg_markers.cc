#include "model/image/jpeg_markers.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/image/exif.h"
#include "model/image/rejection.h"

namespace cooper::image {
namespace {

constexpr int kStartOfScan = 0xda;
constexpr int kEndOfImage = 0xd9;
constexpr int kApp1 = 0xe1;

// SOF0..SOF15 without the three of that range that start no frame.
bool IsFrame(int marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 &&
         marker != 0xcc;
}

// Markers without a segment behind them: TEM, RST0..7, SOI.
bool IsBare(int marker) {
  return marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8);
}

int ReadByte(absl::string_view bytes, size_t offset) {
  return static_cast<uint8_t>(bytes[offset]);
}

int ReadShort(absl::string_view bytes, size_t offset) {
  return ReadByte(bytes, offset) << 8 | ReadByte(bytes, offset + 1);
}

absl::Status Corrupt(absl::string_view words) {
  return Reject(Rejection::kCorrupt, absl::StrCat("corrupt JPEG: ", words));
}

absl::Status Truncated() {
  return Reject(Rejection::kCorrupt,
                "truncated JPEG: the data ends in its header");
}

// `frame` is the data of an SOF segment.
absl::Status ReadFrame(int marker, absl::string_view frame,
                       const DecodeLimits& limits, JpegHeader& header) {
  if (frame.size() < 6) return Corrupt("the frame header is too short");
  if (marker == 0xc3 || marker > 0xca || (marker >= 0xc5 && marker <= 0xc7)) {
    return Reject(Rejection::kFormat,
                  "unsupported JPEG: lossless or hierarchical coding; "
                  "baseline, extended and progressive are supported");
  }
  const int precision = ReadByte(frame, 0);
  if (precision != 8) {
    return Reject(Rejection::kFormat,
                  absl::StrCat("unsupported JPEG: ", precision,
                               " bits a sample; only 8 are supported"));
  }
  header.size = {ReadShort(frame, 3), ReadShort(frame, 1)};
  header.components = ReadByte(frame, 5);
  COOPER_RETURN_IF_ERROR(
      CheckSize(header.size.width, header.size.height, limits));
  if (header.components != 1 && header.components != 3 &&
      header.components != 4) {
    return Reject(Rejection::kFormat,
                  absl::StrCat("unsupported JPEG: ", header.components,
                               " components; 1, 3 or 4 are supported"));
  }
  return absl::OkStatus();
}

// The coefficients of all components, 16 bits each, in whole blocks of 8 by 8
// and in as many of them as the sampling asks for. `frame` is the data of the
// SOF segment.
int64_t CoefficientBytes(absl::string_view frame, const JpegHeader& header) {
  constexpr int64_t kBlockSide = 8;
  constexpr int64_t kBlockBytes = kBlockSide * kBlockSide * 2;
  struct Sampling {
    int64_t across = 1, down = 1;  // 1..4
  };
  std::vector<Sampling> components(static_cast<size_t>(header.components));
  Sampling most;
  for (size_t i = 0; i < components.size(); ++i) {
    const size_t offset = 6 + 3 * i + 1;
    if (offset >= frame.size()) break;  // libjpeg refuses it
    const int factors = ReadByte(frame, offset);
    components[i].across = std::clamp(factors >> 4, 1, 4);
    components[i].down = std::clamp(factors & 0xf, 1, 4);
    most.across = std::max(most.across, components[i].across);
    most.down = std::max(most.down, components[i].down);
  }
  const auto blocks = [](int64_t side, int64_t factor, int64_t most_factor) {
    const int64_t units = kBlockSide * most_factor;
    return (side + units - 1) / units * factor;
  };
  int64_t bytes = 0;
  for (const Sampling& component : components) {
    bytes += blocks(header.size.width, component.across, most.across) *
             blocks(header.size.height, component.down, most.down) *
             kBlockBytes;
  }
  return bytes;
}

}  // namespace

absl::StatusOr<JpegHeader> ReadJpegHeader(absl::string_view bytes,
                                          const DecodeLimits& limits) {
  JpegHeader header;
  bool has_exif = false;
  bool progressive = false;
  absl::string_view frame;  // the data of the SOF segment
  size_t offset = 2;        // behind SOI
  while (true) {
    // As libjpeg does, skips bytes that are no marker: 0xff stuffed with zero
    // is none, and 0xff may be repeated.
    while (offset < bytes.size() && ReadByte(bytes, offset) != 0xff) ++offset;
    while (offset < bytes.size() && ReadByte(bytes, offset) == 0xff) ++offset;
    if (offset >= bytes.size()) return Truncated();
    const int marker = ReadByte(bytes, offset++);
    if (marker == 0) continue;
    if (marker == kEndOfImage) return Corrupt("it ends without a scan");
    if (IsBare(marker)) continue;
    if (bytes.size() - offset < 2) return Truncated();
    // The length counts itself, and does so where it is too small to.
    const size_t length =
        std::max<size_t>(2, static_cast<size_t>(ReadShort(bytes, offset)));
    if (bytes.size() - offset < length) return Truncated();
    const absl::string_view data = bytes.substr(offset + 2, length - 2);
    if (IsFrame(marker)) {
      if (header.components != 0) return Corrupt("it has two frame headers");
      COOPER_RETURN_IF_ERROR(ReadFrame(marker, data, limits, header));
      progressive = marker == 0xc2 || marker == 0xca;
      frame = data;
    } else if (marker == kApp1 && !has_exif && absl::StartsWith(data, "Exif")) {
      header.orientation = ExifOrientation(data);
      has_exif = true;  // further ones are other programs' additions
    } else if (marker == kStartOfScan) {
      if (header.components == 0) return Corrupt("it has no frame header");
      if (progressive || data.empty() ||
          ReadByte(data, 0) < header.components) {
        header.coefficient_bytes = CoefficientBytes(frame, header);
      }
      return header;
    }
    offset += length;
  }
}

}  // namespace cooper::image
