#include "client/event_checker.h"

#include <utility>

namespace cooper::client {

EventChecker::EventChecker(Call call, const CallOptions& options)
    : call_(call), options_(options), in_answer_(call == Call::kOneAnswer) {
  joiner_.emplace(options.max_map_bytes);
}

bool EventChecker::Accept(Event* event) {
  if (event->event_case() == Event::EVENT_NOT_SET) return false;
  if (call_ == Call::kOneAnswer && !in_answer_) {
    broken_ = absl::DataLossError("the server sent events after `finished`");
    return false;
  }
  if (event->has_started()) {
    in_answer_ = true;
    joiner_.emplace(options_.max_map_bytes);
  } else if (event->has_finished()) {
    in_answer_ = false;
    // A conversation goes on, so a cut map is told now; else it is at the end.
    if (call_ == Call::kConversation) broken_ = joiner_->CheckComplete();
  } else if (event->has_turn_cancelled()) {
    in_answer_ = false;
  } else if (event->has_map()) {
    return Join(event->mutable_map());
  }
  return broken_.ok();
}

absl::Status EventChecker::AtEnd() const {
  if (in_answer_) {
    return absl::DataLossError("the server ended the answer too early");
  }
  // A cancelled turn may leave a map unfinished.
  return call_ == Call::kOneAnswer ? joiner_->CheckComplete()
                                   : absl::OkStatus();
}

// The joiner checks the parts even where they are given as they are; it then
// gets copies.
bool EventChecker::Join(v1::MapResult* map) {
  auto whole =
      options_.join_maps ? joiner_->Add(std::move(*map)) : joiner_->Add(*map);
  if (!whole.ok()) {
    broken_ = whole.status();
    return false;
  }
  if (!options_.join_maps) return true;
  if (!whole->has_value()) return false;
  *map = **std::move(whole);
  return true;
}

}  // namespace cooper::client
