#include "server/engine/event_sequencer.h"

#include <utility>

namespace cooper::engine {

EventSequencer::EventSequencer(std::unique_ptr<EventSink> sink,
                               std::function<void()> on_closed)
    : on_closed_(std::move(on_closed)), sink_(std::move(sink)) {}

EventSequencer::Entry& EventSequencer::AddLocked() {
  entries_.emplace_back();
  entries_.back().ticket = ++last_ticket_;
  return entries_.back();
}

void EventSequencer::Push(Event event) {
  {
    base::MutexLock lock(&mutex_);
    if (ended_) return;
    Entry& entry = AddLocked();
    entry.events.push_back(std::move(event));
    entry.ready = true;
  }
  Deliver();
}

EventSequencer::Ticket EventSequencer::Reserve() {
  base::MutexLock lock(&mutex_);
  return AddLocked().ticket;
}

void EventSequencer::Fill(Ticket ticket, std::vector<Event> events) {
  {
    base::MutexLock lock(&mutex_);
    for (Entry& entry : entries_) {
      if (entry.ticket != ticket) continue;
      entry.events = std::move(events);
      entry.ready = true;
      break;
    }
  }
  Deliver();
}

void EventSequencer::Finish(std::function<FinishedEvent()> make) {
  {
    base::MutexLock lock(&mutex_);
    Entry& entry = AddLocked();
    entry.finish = std::move(make);
    entry.ready = true;
  }
  Deliver();
}

bool EventSequencer::Abort(absl::Status status) {
  {
    base::MutexLock lock(&mutex_);
    if (ended_ || !abort_.ok()) return false;
    abort_ = std::move(status);
  }
  Deliver();
  return true;
}

void EventSequencer::Deliver() {
  while (true) {
    Entry entry;
    absl::Status end;
    {
      base::MutexLock lock(&mutex_);
      if (delivering_ || ended_) return;
      if (!abort_.ok()) {
        ended_ = true;
        end = abort_;
      } else if (!entries_.empty() && entries_.front().ready) {
        entry = std::move(entries_.front());
        entries_.pop_front();
        ended_ = static_cast<bool>(entry.finish);
      } else {
        return;
      }
      if (ended_) entries_.clear();
      delivering_ = true;
    }
    for (Event& event : entry.events) sink_->OnEvent(std::move(event));
    const bool ended = entry.finish || !end.ok();
    if (entry.finish) sink_->OnEvent(entry.finish());
    if (ended) {
      sink_->OnDone(end);
      sink_.reset();
      on_closed_();
      return;
    }
    base::MutexLock lock(&mutex_);
    delivering_ = false;
  }
}

}  // namespace cooper::engine
