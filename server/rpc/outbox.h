#ifndef COOPER_SERVER_RPC_OUTBOX_H_
#define COOPER_SERVER_RPC_OUTBOX_H_

#include <cstdint>
#include <deque>

#include "server/engine/core/event.h"

namespace cooper::rpc {

// Events of one request that wait for its reader. A slow reader gets fewer and
// larger events, never wrong ones:
//   - a piece of text joins the waiting one before it if turn and channel are
//     the same;
//   - of one map, progress without a preview replaces waiting progress without
//     one, and a preview replaces any waiting one;
//   - previews over 256 KiB, and previews that would pass the byte limit, are
//     left out.
// Not thread-safe.
class Outbox {
 public:
  // `max_bytes` bounds what waits (EventBytes); see `overfull`.
  explicit Outbox(int64_t max_bytes) : max_bytes_(max_bytes) {}

  void Push(engine::Event event);
  // Takes the oldest event. Not on an empty outbox.
  engine::Event Pop();
  void Clear();

  bool empty() const { return events_.empty(); }
  size_t size() const { return events_.size(); }
  int64_t bytes() const { return bytes_; }
  // More waits than is allowed, all of it needed: the reader must go.
  bool overfull() const { return bytes_ > max_bytes_; }

 private:
  // Whether the event was put into one that waits.
  bool JoinText(engine::TextDeltaEvent* text);
  bool JoinProgress(engine::MapProgressEvent* progress);
  void DropPreviews(int map_id);

  const int64_t max_bytes_;
  std::deque<engine::Event> events_;
  int64_t bytes_ = 0;
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_OUTBOX_H_
