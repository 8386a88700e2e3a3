#include "tests/client/events.h"

namespace cooper::client {

const char kTinyPng[] = "\x89PNG\r\n\x1a\nnot a real picture";

Event StartedEvent(uint64_t seed) {
  Event event;
  event.mutable_started()->set_request_id("r-1");
  event.mutable_started()->set_model("demo");
  event.mutable_started()->set_seed(seed);
  return event;
}

Event TextEvent(int turn, v1::TextChannel channel, const std::string& text) {
  Event event;
  event.mutable_text_delta()->set_turn(turn);
  event.mutable_text_delta()->set_channel(channel);
  event.mutable_text_delta()->set_text(text);
  return event;
}

Event MapStartedEvent(int map_id, v1::MapKind kind, int num_steps) {
  Event event;
  auto* started = event.mutable_map_started();
  started->set_map_id(map_id);
  started->set_kind(kind);
  started->set_width(4);
  started->set_height(2);
  started->set_num_steps(num_steps);
  started->set_request_text("Draw it.");
  return event;
}

Event ProgressEvent(int map_id, int step, int num_steps,
                    const std::string& preview) {
  Event event;
  auto* progress = event.mutable_map_progress();
  progress->set_map_id(map_id);
  progress->set_step(step);
  progress->set_num_steps(num_steps);
  if (!preview.empty()) progress->set_preview(preview);
  return event;
}

Event MapEvent(int map_id, v1::MapKind kind, v1::MapRole role,
               v1::MapEncoding encoding, const std::string& data,
               int64_t offset, int64_t total) {
  Event event;
  auto* map = event.mutable_map();
  map->set_map_id(map_id);
  map->set_kind(kind);
  map->set_role(role);
  map->set_encoding(encoding);
  map->set_width(4);
  map->set_height(2);
  map->set_data(data);
  map->set_offset_bytes(offset);
  map->set_total_bytes(total < 0 ? static_cast<int64_t>(data.size()) : total);
  return event;
}

Event FinishedEvent(const std::string& answer, const std::string& boxed,
                    v1::FinishReason reason) {
  Event event;
  auto* finished = event.mutable_finished();
  finished->set_reason(reason);
  finished->set_answer(answer);
  if (!boxed.empty()) finished->set_boxed(boxed);
  auto* usage = finished->mutable_usage();
  usage->set_input_tokens(120);
  usage->set_output_tokens(34);
  usage->set_maps(2);
  usage->set_denoise_steps(4);
  usage->set_decode_ms(400);
  usage->set_denoise_ms(1500);
  usage->set_total_ms(2000);
  return event;
}

std::vector<Event> WholeStory() {
  Event segmentation =
      MapEvent(1, v1::MAP_KIND_SEGMENTATION, v1::MAP_ROLE_DISPLAY,
               v1::MAP_ENCODING_PNG_RGB8, kTinyPng);
  auto* region = segmentation.mutable_map()->add_regions();
  region->set_colour(0x00ff7f);
  region->set_area(6);
  region->set_right(3);
  region->set_bottom(2);
  const std::string png = kTinyPng;
  const auto half = static_cast<int64_t>(png.size() / 2);
  return {
      StartedEvent(),
      TextEvent(0, v1::TEXT_CHANNEL_THINK, "Which one "),
      TextEvent(0, v1::TEXT_CHANNEL_THINK, "is near?"),
      TextEvent(0, v1::TEXT_CHANNEL_PLAIN, "\n"),
      TextEvent(0, v1::TEXT_CHANNEL_PERCEPTION_REQUEST, "Estimate the depth."),
      MapStartedEvent(0, v1::MAP_KIND_DEPTH),
      ProgressEvent(0, 1, 2, kTinyPng),
      ProgressEvent(0, 2),
      MapEvent(0, v1::MAP_KIND_DEPTH, v1::MAP_ROLE_VALUES,
               v1::MAP_ENCODING_PNG_GREY16, png.substr(0, half), 0,
               static_cast<int64_t>(png.size())),
      MapEvent(0, v1::MAP_KIND_DEPTH, v1::MAP_ROLE_VALUES,
               v1::MAP_ENCODING_PNG_GREY16, png.substr(half), half,
               static_cast<int64_t>(png.size())),
      MapEvent(0, v1::MAP_KIND_DEPTH, v1::MAP_ROLE_DISPLAY,
               v1::MAP_ENCODING_PNG_RGB8, png),
      TextEvent(1, v1::TEXT_CHANNEL_THINK, "The box is near. And what else?"),
      TextEvent(1, v1::TEXT_CHANNEL_PERCEPTION_REQUEST, "Segment it."),
      MapStartedEvent(1, v1::MAP_KIND_SEGMENTATION),
      ProgressEvent(1, 2),
      segmentation,
      TextEvent(2, v1::TEXT_CHANNEL_ANSWER, "The box. \\boxed{box}"),
      FinishedEvent("<answer>The box. \\boxed{box}</answer>", "box"),
  };
}

}  // namespace cooper::client
