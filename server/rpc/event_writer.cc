#include "server/rpc/event_writer.h"

#include <algorithm>
#include <variant>

#include "absl/time/time.h"

namespace cooper::rpc {
namespace {

constexpr int64_t kFixedEventBytes = 64;

v1::MapKind ToWire(model::MapKind kind) {
  switch (kind) {
    case model::MapKind::kDepth:
      return v1::MAP_KIND_DEPTH;
    case model::MapKind::kSegmentation:
      return v1::MAP_KIND_SEGMENTATION;
    case model::MapKind::kImage:
      return v1::MAP_KIND_IMAGE;
  }
  return v1::MAP_KIND_UNSPECIFIED;
}

v1::MapRole ToWire(engine::MapRole role) {
  switch (role) {
    case engine::MapRole::kValues:
      return v1::MAP_ROLE_VALUES;
    case engine::MapRole::kDisplay:
      return v1::MAP_ROLE_DISPLAY;
    case engine::MapRole::kAsSeenByModel:
      return v1::MAP_ROLE_AS_SEEN_BY_MODEL;
  }
  return v1::MAP_ROLE_UNSPECIFIED;
}

v1::MapEncoding ToWire(engine::MapEncoding encoding) {
  switch (encoding) {
    case engine::MapEncoding::kPngRgb8:
      return v1::MAP_ENCODING_PNG_RGB8;
    case engine::MapEncoding::kPngGrey16:
      return v1::MAP_ENCODING_PNG_GREY16;
    case engine::MapEncoding::kRawFloat32:
      return v1::MAP_ENCODING_RAW_FLOAT32;
    case engine::MapEncoding::kRawRgb8:
      break;  // not of cooper.v1
  }
  return v1::MAP_ENCODING_UNSPECIFIED;
}

v1::TextChannel ToWire(engine::TextChannel channel) {
  switch (channel) {
    case engine::TextChannel::kThink:
      return v1::TEXT_CHANNEL_THINK;
    case engine::TextChannel::kPerceptionRequest:
      return v1::TEXT_CHANNEL_PERCEPTION_REQUEST;
    case engine::TextChannel::kAnswer:
      return v1::TEXT_CHANNEL_ANSWER;
    case engine::TextChannel::kPlain:
      return v1::TEXT_CHANNEL_PLAIN;
  }
  return v1::TEXT_CHANNEL_UNSPECIFIED;
}

v1::FinishReason ToWire(engine::FinishReason reason) {
  switch (reason) {
    case engine::FinishReason::kAnswered:
      return v1::FINISH_REASON_ANSWERED;
    case engine::FinishReason::kMaxTurns:
      return v1::FINISH_REASON_MAX_TURNS;
    case engine::FinishReason::kMaxTokens:
      return v1::FINISH_REASON_MAX_TOKENS;
    case engine::FinishReason::kNoRequest:
      return v1::FINISH_REASON_NO_REQUEST;
  }
  return v1::FINISH_REASON_UNSPECIFIED;
}

void Fill(const engine::Usage& usage, v1::Usage* wire) {
  wire->set_input_tokens(usage.input_tokens);
  wire->set_cached_tokens(usage.cached_tokens);
  wire->set_output_tokens(usage.output_tokens);
  wire->set_maps(usage.maps);
  wire->set_denoise_steps(usage.denoise_steps);
  wire->set_queued_ms(absl::ToDoubleMilliseconds(usage.queued));
  wire->set_prefill_ms(absl::ToDoubleMilliseconds(usage.prefill));
  wire->set_decode_ms(absl::ToDoubleMilliseconds(usage.decode));
  wire->set_denoise_ms(absl::ToDoubleMilliseconds(usage.denoise));
  wire->set_vae_ms(absl::ToDoubleMilliseconds(usage.vae));
  wire->set_image_ms(absl::ToDoubleMilliseconds(usage.image));
  wire->set_total_ms(absl::ToDoubleMilliseconds(usage.total));
}

void Fill(const image::Region& region, v1::Region* wire) {
  wire->set_colour(uint32_t{region.colour[0]} << 16 |
                   uint32_t{region.colour[1]} << 8 | region.colour[2]);
  wire->set_area(region.area);
  wire->set_left(region.left);
  wire->set_top(region.top);
  wire->set_right(region.right);
  wire->set_bottom(region.bottom);
}

}  // namespace

int64_t EventBytes(const engine::Event& event) {
  int64_t bytes = kFixedEventBytes;
  if (const auto* text = std::get_if<engine::TextDeltaEvent>(&event)) {
    bytes += static_cast<int64_t>(text->text.size());
  } else if (const auto* step = std::get_if<engine::MapProgressEvent>(&event)) {
    if (step->preview_png.has_value()) {
      bytes += static_cast<int64_t>(step->preview_png->size());
    }
  } else if (const auto* map = std::get_if<engine::MapEvent>(&event)) {
    if (map->data != nullptr) bytes += static_cast<int64_t>(map->data->size());
  } else if (const auto* end = std::get_if<engine::FinishedEvent>(&event)) {
    bytes += static_cast<int64_t>(end->answer.size());
  }
  return bytes;
}

bool EventWriter::Next(v1::Event* wire) {
  if (done_) return false;
  done_ = true;
  wire->Clear();
  std::visit([&](const auto& event) { Fill(event, wire); }, event_);
  return true;
}

void EventWriter::Fill(const engine::StartedEvent& event, v1::Event* wire) {
  v1::Started& started = *wire->mutable_started();
  started.set_request_id(event.request_id);
  started.set_model(model_name_);
  started.set_seed(event.seed);
}

void EventWriter::Fill(const engine::TextDeltaEvent& event, v1::Event* wire) {
  v1::TextDelta& delta = *wire->mutable_text_delta();
  delta.set_turn(event.turn);
  delta.set_channel(ToWire(event.channel));
  delta.set_text(event.text);
}

void EventWriter::Fill(const engine::MapStartedEvent& event, v1::Event* wire) {
  v1::MapStarted& started = *wire->mutable_map_started();
  started.set_map_id(event.map_id);
  started.set_kind(ToWire(event.kind));
  started.set_width(event.size.width);
  started.set_height(event.size.height);
  started.set_num_steps(event.num_steps);
  started.set_request_text(event.request_text);
}

void EventWriter::Fill(const engine::MapProgressEvent& event, v1::Event* wire) {
  v1::MapProgress& progress = *wire->mutable_map_progress();
  progress.set_map_id(event.map_id);
  progress.set_step(event.step);
  progress.set_num_steps(event.num_steps);
  if (event.preview_png.has_value()) progress.set_preview(*event.preview_png);
}

void EventWriter::Fill(const engine::MapEvent& event, v1::Event* wire) {
  v1::MapResult& map = *wire->mutable_map();
  const auto total =
      event.data == nullptr ? 0 : static_cast<int64_t>(event.data->size());
  const int64_t length = std::min(max_part_bytes_, total - offset_bytes_);
  map.set_map_id(event.map_id);
  map.set_kind(ToWire(event.kind));
  map.set_role(ToWire(event.role));
  map.set_encoding(ToWire(event.encoding));
  map.set_width(event.size.width);
  map.set_height(event.size.height);
  if (length > 0) {
    map.set_data(event.data->data() + offset_bytes_,
                 static_cast<size_t>(length));
  }
  map.set_offset_bytes(offset_bytes_);
  map.set_total_bytes(total);
  if (offset_bytes_ == 0) {
    for (const image::Region& region : event.regions) {
      rpc::Fill(region, map.add_regions());
    }
  }
  offset_bytes_ += length;
  done_ = offset_bytes_ >= total;
}

void EventWriter::Fill(const engine::FinishedEvent& event, v1::Event* wire) {
  v1::Finished& finished = *wire->mutable_finished();
  finished.set_reason(ToWire(event.reason));
  finished.set_answer(event.answer);
  finished.set_answer_text(event.answer_text);
  if (event.boxed.has_value()) finished.set_boxed(*event.boxed);
  rpc::Fill(event.usage, finished.mutable_usage());
}

void EventWriter::Fill(const engine::SessionEvent& event, v1::Event* wire) {
  v1::Session& session = *wire->mutable_session();
  session.set_session_id(event.session_id);
  session.set_expires_after_s(absl::ToDoubleSeconds(event.expires_after));
  session.set_kv_bytes(event.kv_bytes);
}

void EventWriter::Fill(const engine::TurnCancelledEvent&, v1::Event* wire) {
  wire->mutable_turn_cancelled();
}

}  // namespace cooper::rpc
