#ifndef COOPER_CLIENT_BENCH_EVENT_RECORDER_H_
#define COOPER_CLIENT_BENCH_EVENT_RECORDER_H_

#include <cstdint>
#include <map>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/bench/sample.h"
#include "cooper/client/event.h"

namespace cooper::client::bench {

// Makes a sample of one request's events. Times are since the run's begin and
// come from the caller. Not thread-safe.
class EventRecorder {
 public:
  // `start`: when the request was sent.
  EventRecorder(const Ticket& ticket, Kind kind, absl::Duration start);

  // The request's next event came at `now`.
  void Take(const Event& event, absl::Duration now);

  // The request ended with `status`; why it was cancelled, if it was, the
  // caller knows. Call once, last.
  Sample Finish(const absl::Status& status, absl::Duration now);

 private:
  struct MapTimes {
    absl::Duration begin;
    std::optional<absl::Duration> last_data;
  };

  void TakeText(const v1::TextDelta& delta, absl::Duration now);

  Sample sample_;
  // Of the text that is being written.
  int32_t turn_ = -1;
  absl::Duration last_piece_;
  std::map<int32_t, MapTimes> maps_;
};

}  // namespace cooper::client::bench

#endif  // COOPER_CLIENT_BENCH_EVENT_RECORDER_H_
