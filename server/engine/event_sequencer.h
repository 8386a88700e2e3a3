#ifndef COOPER_SERVER_ENGINE_EVENT_SEQUENCER_H_
#define COOPER_SERVER_ENGINE_EVENT_SEQUENCER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "server/engine/core/event.h"

namespace cooper::engine {

// Keeps a request's events in order although some are made on a pool while the
// request goes on: a ticket is reserved now and filled later.
//
// Thread-safe. The sink is called by the thread that makes the next event
// available, one call at a time, never under the lock. It is called for the
// last time by the end (Finish or Abort, whichever is delivered first); then it
// is destroyed and `on_closed` runs.
class EventSequencer {
 public:
  EventSequencer(std::unique_ptr<EventSink> sink,
                 std::function<void()> on_closed);

  void Push(Event event) ABSL_LOCKS_EXCLUDED(mutex_);

  // A ticket for events that come later. Each is filled at most once; places
  // that an Abort overtook need not be.
  using Ticket = uint64_t;
  Ticket Reserve() ABSL_LOCKS_EXCLUDED(mutex_);
  void Fill(Ticket ticket, std::vector<Event> events)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends with OK. `make` is called when all before is delivered.
  void Finish(std::function<FinishedEvent()> make) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends with an error now; what is not delivered yet never will be. Without
  // effect, and false, once an end is on its way.
  bool Abort(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Entry {
    Ticket ticket = 0;
    bool ready = false;
    std::vector<Event> events;
    std::function<FinishedEvent()> finish;  // of the last entry
  };

  Entry& AddLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Deliver() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::function<void()> on_closed_;
  base::Mutex mutex_;
  // Used without the lock by the thread that set delivering_.
  std::unique_ptr<EventSink> sink_;
  std::deque<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  Ticket last_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status abort_ ABSL_GUARDED_BY(mutex_);
  bool delivering_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_EVENT_SEQUENCER_H_
