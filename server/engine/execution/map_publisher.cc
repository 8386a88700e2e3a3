#include "server/engine/execution/map_publisher.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "model/image/codec.h"
#include "model/image/maps.h"
#include "server/engine/core/error.h"

namespace cooper::engine {
namespace {

// Little-endian float32, row by row.
std::string RawFloats(const image::FloatGreyImage& image) {
  static_assert(std::endian::native == std::endian::little);
  std::string bytes(image.pixels.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), image.pixels.data(), bytes.size());
  return bytes;
}

absl::StatusOr<std::string> Encode(const DrawnMap& map,
                                   const OutputOptions& output,
                                   MapEvent* event) {
  event->encoding = MapEncoding::kPngRgb8;
  event->size = map.picture.size;
  if (event->role == MapRole::kAsSeenByModel) {
    COOPER_CHECK(map.vision != nullptr);
    event->size = map.vision->size;
    return image::EncodePng(*map.vision);
  }
  if (event->role == MapRole::kValues && map.kind == model::MapKind::kDepth) {
    event->encoding = output.depth_encoding;
    return output.depth_encoding == MapEncoding::kRawFloat32
               ? RawFloats(map.depth)
               : image::EncodePng16(map.depth);
  }
  if (event->role == MapRole::kValues &&
      output.colour_encoding == MapEncoding::kRawRgb8) {
    event->encoding = MapEncoding::kRawRgb8;
    return std::string(map.picture.pixels.begin(), map.picture.pixels.end());
  }
  return image::EncodePng(map.picture);
}

}  // namespace

absl::StatusOr<std::vector<Event>> RenderMapEvents(
    const DrawnMap& map, const OutputOptions& output) {
  const bool values_sent = std::find(output.roles.begin(), output.roles.end(),
                                     MapRole::kValues) != output.roles.end();
  std::vector<Event> events;
  for (const MapRole role : output.roles) {
    const bool picture_again = role == MapRole::kDisplay && values_sent &&
                               map.kind != model::MapKind::kDepth &&
                               output.colour_encoding == MapEncoding::kPngRgb8;
    if (picture_again) continue;
    MapEvent event;
    event.map_id = map.map_id;
    event.kind = map.kind;
    event.role = role;
    absl::StatusOr<std::string> bytes = Encode(map, output, &event);
    if (!bytes.ok()) {
      ErrorDetails details;
      details.reason = ErrorReason::kEncode;
      return MakeError(details, bytes.status().message());
    }
    event.data = std::make_shared<const std::string>(*std::move(bytes));
    if (map.kind == model::MapKind::kSegmentation &&
        role != MapRole::kAsSeenByModel) {
      event.regions = image::FindRegions(map.picture);
    }
    events.emplace_back(std::move(event));
  }
  return events;
}

std::optional<std::string> RenderPreview(model::MapKind kind,
                                         image::FloatRgbImage decoded) {
  DrawnMap map;
  map.kind = kind;
  map.decoded = std::move(decoded);
  RenderPicture(&map);
  absl::StatusOr<std::string> png = image::EncodePng(map.picture);
  if (!png.ok() || png->size() > kMaxPreviewBytes) return std::nullopt;
  return *std::move(png);
}

}  // namespace cooper::engine
