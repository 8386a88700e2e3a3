#include "client/report/transcript.h"

#include "absl/strings/ascii.h"

namespace cooper::client {

const v1::MapResult* MapBlock::Find(v1::MapRole role) const {
  for (const v1::MapResult& result : results) {
    if (result.role() == role) return &result;
  }
  return nullptr;
}

const v1::MapResult* MapBlock::ForEyes() const {
  for (const v1::MapRole role : {v1::MAP_ROLE_DISPLAY, v1::MAP_ROLE_VALUES,
                                 v1::MAP_ROLE_AS_SEEN_BY_MODEL}) {
    const v1::MapResult* result = Find(role);
    if (result != nullptr &&
        result->encoding() != v1::MAP_ENCODING_RAW_FLOAT32) {
      return result;
    }
  }
  return nullptr;
}

void Transcript::Add(const Event& event) {
  switch (event.event_case()) {
    case Event::kStarted:
      started_ = event.started();
      break;
    case Event::kTextDelta:
      AddText(event.text_delta());
      break;
    case Event::kMapStarted:
      MapOf(event.map_started().map_id()).started = event.map_started();
      break;
    case Event::kMapProgress: {
      const v1::MapProgress& progress = event.map_progress();
      MapBlock& map = MapOf(progress.map_id());
      map.steps_done = progress.step();
      if (progress.has_preview()) {
        map.previews.push_back({progress.step(), progress.preview()});
      }
      break;
    }
    case Event::kMap:
      MapOf(event.map().map_id()).results.push_back(event.map());
      break;
    case Event::kFinished:
      finished_ = event.finished();
      break;
    case Event::kSession:
    case Event::kTurnCancelled:
    case Event::EVENT_NOT_SET:
      break;
  }
}

void Transcript::AddText(const v1::TextDelta& delta) {
  if (!blocks_.empty()) {
    auto* last = std::get_if<TextBlock>(&blocks_.back());
    if (last != nullptr && last->turn == delta.turn() &&
        last->channel == delta.channel()) {
      last->text += delta.text();
      return;
    }
  }
  blocks_.emplace_back(TextBlock{delta.turn(), delta.channel(), delta.text()});
}

MapBlock& Transcript::MapOf(int32_t map_id) {
  for (Block& block : blocks_) {
    auto* map = std::get_if<MapBlock>(&block);
    if (map != nullptr && map->started.map_id() == map_id) return *map;
  }
  blocks_.emplace_back(MapBlock{});
  MapBlock& map = std::get<MapBlock>(blocks_.back());
  map.started.set_map_id(map_id);
  return map;
}

std::string Transcript::Answer() const {
  if (finished_.has_value() && !finished_->answer_text().empty()) {
    return finished_->answer_text();
  }
  for (const v1::TextChannel channel :
       {v1::TEXT_CHANNEL_ANSWER, v1::TEXT_CHANNEL_PLAIN}) {
    for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
      const auto* text = std::get_if<TextBlock>(&*block);
      if (text == nullptr || text->channel != channel) continue;
      std::string answer(absl::StripAsciiWhitespace(text->text));
      if (!answer.empty()) return answer;
    }
  }
  return finished_.has_value() ? finished_->answer() : "";
}

}  // namespace cooper::client
