#include "model/image/rejection.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"

namespace cooper::image {
namespace {

constexpr char kPayloadUrl[] = "cooper.image/rejection";
constexpr size_t kMaxMessage = 300;  // characters
constexpr Rejection kAll[] = {Rejection::kFormat, Rejection::kCorrupt,
                              Rejection::kPixels, Rejection::kAspect,
                              Rejection::kChunk,  Rejection::kScans};

}  // namespace

const char* RejectionName(Rejection rejection) {
  switch (rejection) {
    case Rejection::kFormat:
      return "format";
    case Rejection::kCorrupt:
      return "corrupt";
    case Rejection::kPixels:
      return "pixels";
    case Rejection::kAspect:
      return "aspect";
    case Rejection::kChunk:
      return "chunk";
    case Rejection::kScans:
      return "scans";
  }
  return "corrupt";
}

Rejection RejectionOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadUrl);
  if (payload.has_value()) {
    for (Rejection rejection : kAll) {
      if (*payload == RejectionName(rejection)) return rejection;
    }
  }
  return Rejection::kCorrupt;
}

absl::Status Reject(Rejection rejection, absl::string_view message) {
  std::string clean(message.substr(0, kMaxMessage));
  std::replace_if(
      clean.begin(), clean.end(),
      [](char c) {
        return !absl::ascii_isprint(static_cast<unsigned char>(c));
      },
      '?');
  absl::Status status = absl::InvalidArgumentError(clean);
  status.SetPayload(kPayloadUrl, absl::Cord(RejectionName(rejection)));
  return status;
}

absl::Status CheckSize(int64_t width, int64_t height,
                       const DecodeLimits& limits) {
  if (width <= 0 || height <= 0) {
    return Reject(Rejection::kPixels,
                  absl::StrCat("the image is ", width, "x", height,
                               " px; both sides must be positive"));
  }
  const int64_t longer = std::max(width, height);
  const int64_t shorter = std::min(width, height);
  const double aspect =
      static_cast<double>(longer) / static_cast<double>(shorter);
  if (aspect > limits.max_aspect) {
    return Reject(Rejection::kAspect,
                  absl::StrCat("the image is ", width, "x", height,
                               " px, an aspect ratio of ", aspect,
                               "; the limit is ", limits.max_aspect));
  }
  if (longer > limits.max_side) {
    return Reject(
        Rejection::kPixels,
        absl::StrCat("the image is ", width, "x", height,
                     " px; the limit of a side is ", limits.max_side, " px"));
  }
  // Both sides fit in 31 bits here, so the product fits in 62.
  if (width * height > limits.max_pixels) {
    return Reject(
        Rejection::kPixels,
        absl::StrCat("the image is ", width, "x", height, " = ", width * height,
                     " pixels; the limit is ", limits.max_pixels));
  }
  return absl::OkStatus();
}

}  // namespace cooper::image
