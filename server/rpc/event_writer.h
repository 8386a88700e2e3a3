#ifndef COOPER_SERVER_RPC_EVENT_WRITER_H_
#define COOPER_SERVER_RPC_EVENT_WRITER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "cooper/v1/spatial_reasoning.pb.h"
#include "server/engine/core/event.h"

namespace cooper::rpc {

// Most bytes of a map that one message carries: 3.5 MiB, so that no message
// passes gRPC's default limit of 4 MiB.
inline constexpr int64_t kMaxMapPartBytes = (int64_t{7} << 20) / 2;

// Bytes that an event keeps in memory, about; a map's are shared.
int64_t EventBytes(const engine::Event& event);

// The wire messages of one engine event: one, or several for a map whose bytes
// pass the limit of a part. Not thread-safe.
class EventWriter {
 public:
  // `model_name` is told in Started.
  EventWriter(engine::Event event, std::string model_name,
              int64_t max_part_bytes = kMaxMapPartBytes)
      : event_(std::move(event)),
        model_name_(std::move(model_name)),
        max_part_bytes_(max_part_bytes) {}

  // Fills the next message; false where none is left, or where `Response` (of
  // any streaming RPC) has no place for such an event.
  template <typename Response>
  bool Next(Response* response) {
    if (done_) return false;
    done_ = true;
    response->Clear();
    return std::visit([&](const auto& event) { return Write(event, response); },
                      event_);
  }

  // The event itself, once, for those who write other messages; then null.
  const engine::Event* TakeEvent() {
    return std::exchange(done_, true) ? nullptr : &event_;
  }

  // Bytes of the event, as EventBytes.
  int64_t bytes() const { return EventBytes(event_); }

 private:
  template <typename Response>
  bool Write(const engine::StartedEvent& event, Response* response) {
    Fill(event, response->mutable_started());
    return true;
  }
  template <typename Response>
  bool Write(const engine::TextDeltaEvent& event, Response* response) {
    if constexpr (requires { response->mutable_text_delta(); }) {
      Fill(event, response->mutable_text_delta());
      return true;
    }
    return false;
  }
  template <typename Response>
  bool Write(const engine::MapStartedEvent& event, Response* response) {
    Fill(event, response->mutable_map_started());
    return true;
  }
  template <typename Response>
  bool Write(const engine::MapProgressEvent& event, Response* response) {
    Fill(event, response->mutable_map_progress());
    return true;
  }
  template <typename Response>
  bool Write(const engine::MapEvent& event, Response* response) {
    done_ = FillPart(event, response->mutable_map());
    return true;
  }
  template <typename Response>
  bool Write(const engine::FinishedEvent& event, Response* response) {
    Fill(event, response->mutable_finished());
    return true;
  }
  template <typename Response>
  bool Write(const engine::SessionEvent& event, Response* response) {
    if constexpr (requires { response->mutable_session(); }) {
      Fill(event, response->mutable_session());
      return true;
    }
    return false;
  }
  template <typename Response>
  bool Write(const engine::TurnCancelledEvent&, Response* response) {
    if constexpr (requires { response->mutable_turn_cancelled(); }) {
      response->mutable_turn_cancelled();
      return true;
    }
    return false;
  }

  void Fill(const engine::StartedEvent& event, v1::Started* wire) const;
  static void Fill(const engine::TextDeltaEvent& event, v1::TextDelta* wire);
  static void Fill(const engine::MapStartedEvent& event, v1::MapStarted* wire);
  static void Fill(const engine::MapProgressEvent& event,
                   v1::MapProgress* wire);
  static void Fill(const engine::FinishedEvent& event, v1::Finished* wire);
  static void Fill(const engine::SessionEvent& event, v1::Session* wire);
  // Returns whether it was the last part.
  bool FillPart(const engine::MapEvent& event, v1::MapResult* wire);

  const engine::Event event_;
  const std::string model_name_;
  const int64_t max_part_bytes_;
  int64_t offset_bytes_ = 0;  // of the next part of a map
  bool done_ = false;
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_EVENT_WRITER_H_
