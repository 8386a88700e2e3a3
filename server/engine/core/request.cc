#include "server/engine/core/request.h"

namespace cooper::engine {

int64_t Request::input_bytes() const {
  int64_t bytes = 0;
  for (const Input& input : inputs) {
    if (const auto* image = std::get_if<ImageInput>(&input)) {
      bytes += static_cast<int64_t>(image->bytes.size());
    } else {
      bytes += static_cast<int64_t>(std::get<TextInput>(input).text.size());
    }
  }
  return bytes;
}

const char* RequestKindName(RequestKind kind) {
  switch (kind) {
    case RequestKind::kReason:
      return "reason";
    case RequestKind::kDepth:
      return "depth";
    case RequestKind::kSegmentation:
      return "segmentation";
    case RequestKind::kImage:
      break;
  }
  return "image";
}

RequestKind KindOf(const Task& task) {
  if (std::holds_alternative<ReasonTask>(task)) return RequestKind::kReason;
  if (const auto* map = std::get_if<MapTask>(&task)) return KindOf(map->kind);
  return RequestKind::kImage;
}

RequestKind KindOf(model::MapKind kind) {
  switch (kind) {
    case model::MapKind::kDepth:
      return RequestKind::kDepth;
    case model::MapKind::kSegmentation:
      return RequestKind::kSegmentation;
    case model::MapKind::kImage:
      break;
  }
  return RequestKind::kImage;
}

}  // namespace cooper::engine
