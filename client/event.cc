#include "cooper/client/event.h"

#include <utility>

namespace cooper::client {
namespace {

// All but text_delta, which the map-only RPCs do not have.
template <typename Response>
Event MoveCommon(Response& response) {
  Event event;
  switch (response.event_case()) {
    case Response::kStarted:
      *event.mutable_started() = std::move(*response.mutable_started());
      break;
    case Response::kMapStarted:
      *event.mutable_map_started() = std::move(*response.mutable_map_started());
      break;
    case Response::kMapProgress:
      *event.mutable_map_progress() =
          std::move(*response.mutable_map_progress());
      break;
    case Response::kMap:
      *event.mutable_map() = std::move(*response.mutable_map());
      break;
    case Response::kFinished:
      *event.mutable_finished() = std::move(*response.mutable_finished());
      break;
    default:
      break;
  }
  return event;
}

template <typename Response>
Event MoveAll(Response& response) {
  if (!response.has_text_delta()) return MoveCommon(response);
  Event event;
  *event.mutable_text_delta() = std::move(*response.mutable_text_delta());
  return event;
}

}  // namespace

Event ToEvent(v1::ReasonResponse&& response) { return std::move(response); }

Event ToEvent(v1::EstimateDepthResponse&& response) {
  return MoveCommon(response);
}

Event ToEvent(v1::SegmentResponse&& response) { return MoveCommon(response); }

Event ToEvent(v1::GenerateImageResponse&& response) {
  return MoveAll(response);
}

Event ToEvent(v1::ConverseResponse&& response) { return MoveAll(response); }

}  // namespace cooper::client
