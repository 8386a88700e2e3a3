#include "server/rpc/outbox.h"

#include <utility>
#include <variant>

#include "base/check.h"
#include "server/rpc/event_writer.h"

namespace cooper::rpc {
void Outbox::Push(engine::Event event) {
  if (auto* text = std::get_if<engine::TextDeltaEvent>(&event)) {
    if (JoinText(text)) return;
  } else if (auto* step = std::get_if<engine::MapProgressEvent>(&event)) {
    if (JoinProgress(step)) return;
  }
  bytes_ += EventBytes(event);
  events_.push_back(std::move(event));
}

engine::Event Outbox::Pop() {
  COOPER_CHECK(!events_.empty());
  engine::Event event = std::move(events_.front());
  events_.pop_front();
  bytes_ -= EventBytes(event);
  return event;
}

void Outbox::Clear() {
  events_.clear();
  bytes_ = 0;
}

bool Outbox::JoinText(engine::TextDeltaEvent* text) {
  if (events_.empty()) return false;
  auto* last = std::get_if<engine::TextDeltaEvent>(&events_.back());
  if (last == nullptr || last->turn != text->turn ||
      last->channel != text->channel) {
    return false;
  }
  last->text += text->text;
  bytes_ += static_cast<int64_t>(text->text.size());
  return true;
}

bool Outbox::JoinProgress(engine::MapProgressEvent* progress) {
  auto& preview = progress->preview_png;
  if (preview.has_value()) {
    DropPreviews(progress->map_id);
    const auto size = static_cast<int64_t>(preview->size());
    if (preview->size() > engine::kMaxPreviewBytes ||
        bytes_ + size > max_bytes_) {
      preview.reset();
    }
  }
  if (events_.empty()) return false;
  auto* last = std::get_if<engine::MapProgressEvent>(&events_.back());
  if (last == nullptr || last->map_id != progress->map_id ||
      last->preview_png.has_value()) {
    return false;
  }
  bytes_ -= EventBytes(events_.back());
  *last = std::move(*progress);
  bytes_ += EventBytes(events_.back());
  return true;
}

void Outbox::DropPreviews(int map_id) {
  for (engine::Event& event : events_) {
    auto* step = std::get_if<engine::MapProgressEvent>(&event);
    if (step == nullptr || step->map_id != map_id) continue;
    bytes_ -= EventBytes(event);
    step->preview_png.reset();
    bytes_ += EventBytes(event);
  }
}

}  // namespace cooper::rpc
