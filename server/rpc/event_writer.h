#ifndef COOPER_SERVER_RPC_EVENT_WRITER_H_
#define COOPER_SERVER_RPC_EVENT_WRITER_H_

#include <cstdint>
#include <string>
#include <utility>

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

  // Fills the next message; false where none is left.
  bool Next(v1::Event* wire);

  // The event itself, once, for those who write other messages; then null.
  const engine::Event* TakeEvent() {
    return std::exchange(done_, true) ? nullptr : &event_;
  }

  // Bytes of the event, as EventBytes.
  int64_t bytes() const { return EventBytes(event_); }

 private:
  void Fill(const engine::StartedEvent& event, v1::Event* wire);
  void Fill(const engine::TextDeltaEvent& event, v1::Event* wire);
  void Fill(const engine::MapStartedEvent& event, v1::Event* wire);
  void Fill(const engine::MapProgressEvent& event, v1::Event* wire);
  // The next part of the map; more may follow.
  void Fill(const engine::MapEvent& event, v1::Event* wire);
  void Fill(const engine::FinishedEvent& event, v1::Event* wire);
  void Fill(const engine::SessionEvent& event, v1::Event* wire);
  void Fill(const engine::TurnCancelledEvent& event, v1::Event* wire);

  const engine::Event event_;
  const std::string model_name_;
  const int64_t max_part_bytes_;
  int64_t offset_bytes_ = 0;  // of the next part of a map
  bool done_ = false;
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_EVENT_WRITER_H_
