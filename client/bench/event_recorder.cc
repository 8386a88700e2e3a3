#include "client/bench/event_recorder.h"

#include <utility>

#include "cooper/client/error.h"

namespace cooper::client::bench {
namespace {

void SetFirst(std::optional<absl::Duration>* first, absl::Duration time) {
  if (!first->has_value()) *first = time;
}

}  // namespace

EventRecorder::EventRecorder(const Ticket& ticket, Kind kind,
                             absl::Duration start) {
  sample_.ticket = ticket;
  sample_.kind = kind;
  sample_.start = start;
}

void EventRecorder::TakeText(const v1::TextDelta& delta, absl::Duration now) {
  SetFirst(&sample_.first_text, now - sample_.ticket.arrival);
  ++sample_.text_pieces;
  // Between two texts lies a map, or work on the prompt: no gap of a text.
  if (delta.turn() == turn_) sample_.text_gaps.push_back(now - last_piece_);
  turn_ = delta.turn();
  last_piece_ = now;
}

void EventRecorder::Take(const Event& event, absl::Duration now) {
  ++sample_.events;
  const absl::Duration since = now - sample_.ticket.arrival;
  SetFirst(&sample_.first_event, since);
  switch (event.event_case()) {
    case Event::kTextDelta:
      TakeText(event.text_delta(), now);
      break;
    case Event::kMapStarted:
      maps_[event.map_started().map_id()].begin = now;
      break;
    case Event::kMapProgress:
      SetFirst(&sample_.first_map_step, since);
      break;
    case Event::kMap: {
      const auto map = maps_.find(event.map().map_id());
      if (map != maps_.end()) map->second.last_data = now;
      break;
    }
    case Event::kFinished:
      sample_.usage = event.finished().usage();
      sample_.finish_reason = event.finished().reason();
      break;
    default:
      break;
  }
}

Sample EventRecorder::Finish(const absl::Status& status, absl::Duration now) {
  sample_.end = now;
  if (!status.ok()) {
    const Error error = Error::FromStatus(status);
    sample_.outcome = Outcome::kFailed;
    sample_.code = error.code;
    sample_.reason = error.reason;
    sample_.message = error.message;
    sample_.retry_delay = error.retry_delay;
  }
  for (const auto& [id, times] : maps_) {
    if (times.last_data.has_value()) {
      sample_.map_times.push_back(*times.last_data - times.begin);
    }
  }
  return std::move(sample_);
}

}  // namespace cooper::client::bench
