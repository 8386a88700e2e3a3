#include "server/kserve/inference_reply.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "server/kserve/inference_tensors.h"
#include "server/rpc/event_writer.h"

namespace cooper::kserve {
namespace {

const char* ChannelName(engine::TextChannel channel) {
  switch (channel) {
    case engine::TextChannel::kThink:
      return "THINK";
    case engine::TextChannel::kPerceptionRequest:
      return "PERCEPTION_REQUEST";
    case engine::TextChannel::kAnswer:
      return "ANSWER";
    case engine::TextChannel::kPlain:
      return "PLAIN";
  }
  return "PLAIN";
}

const char* KindName(model::MapKind kind) {
  switch (kind) {
    case model::MapKind::kDepth:
      return "DEPTH";
    case model::MapKind::kSegmentation:
      return "SEGMENTATION";
    case model::MapKind::kImage:
      return "IMAGE";
  }
  return "IMAGE";
}

// As MapResult.regions.
std::string RegionsJson(const std::vector<image::Region>& regions) {
  auto list = nlohmann::json::array();
  for (const image::Region& region : regions) {
    list.push_back({{"colour", region.colour[0] << 16 | region.colour[1] << 8 |
                                   region.colour[2]},
                    {"area", region.area},
                    {"left", region.left},
                    {"top", region.top},
                    {"right", region.right},
                    {"bottom", region.bottom}});
  }
  return list.dump();
}

absl::string_view BytesOf(const std::shared_ptr<const std::string>& data) {
  return data == nullptr ? absl::string_view() : absl::string_view(*data);
}

}  // namespace

bool InferenceReply::wants(absl::string_view output) const {
  return std::find(outputs_.begin(), outputs_.end(), output) != outputs_.end();
}

bool InferenceReply::Take(const engine::Event& event,
                          inference::ModelInferResponse* response) {
  bytes_ += rpc::EventBytes(event);
  if (const auto* started = std::get_if<engine::StartedEvent>(&event)) {
    seed_ = started->seed;
  } else if (const auto* text = std::get_if<engine::TextDeltaEvent>(&event)) {
    return TakeText(*text, response);
  } else if (const auto* map = std::get_if<engine::MapEvent>(&event)) {
    return TakeMap(*map, response);
  } else if (const auto* end = std::get_if<engine::FinishedEvent>(&event)) {
    end_ = *end;
  }
  return false;
}

bool InferenceReply::TakeText(const engine::TextDeltaEvent& event,
                              inference::ModelInferResponse* response) {
  if (event.channel == engine::TextChannel::kThink) {
    if (event.turn != thoughts_turn_ && !thoughts_.empty()) thoughts_ += "\n";
    thoughts_turn_ = event.turn;
    thoughts_ += event.text;
  }
  if (!streamed_) {
    if (!pieces_.empty() && pieces_.back().turn == event.turn &&
        pieces_.back().channel == event.channel) {
      pieces_.back().text += event.text;
    } else {
      pieces_.push_back({event.turn, event.channel, event.text});
    }
    return false;
  }
  for (const std::string& output : outputs_) {
    if (output == "TEXT") AddBytesTensor(output, {event.text}, response);
    if (output == "CHANNEL") {
      AddBytesTensor(output, {ChannelName(event.channel)}, response);
    }
  }
  return response->outputs_size() > 0;
}

bool InferenceReply::TakeMap(const engine::MapEvent& event,
                             inference::ModelInferResponse* response) {
  if (!model_.decoupled()) {
    (event.role == engine::MapRole::kValues ? values_ : display_) = event;
    return false;
  }
  if (!streamed_) {
    if (wants("MAP") || wants("MAP_KIND")) {
      maps_.push_back({event.kind, event.data});
    }
    return false;
  }
  for (const std::string& output : outputs_) {
    if (output == "MAP") {
      AddBytesTensor(output, {BytesOf(event.data)}, response);
    }
    if (output == "MAP_KIND") {
      AddBytesTensor(output, {KindName(event.kind)}, response);
    }
  }
  return response->outputs_size() > 0;
}

void InferenceReply::Finish(inference::ModelInferResponse* response) {
  for (const std::string& output : outputs_) AddFinal(output, response);
  // The seed in use, also where the client gave none: with it, the result comes
  // again.
  (*response->mutable_parameters())["seed"].set_uint64_param(seed_);
}

void InferenceReply::AddPieces(absl::string_view output,
                               inference::ModelInferResponse* response) const {
  std::vector<absl::string_view> elements;
  elements.reserve(pieces_.size());
  for (const Piece& piece : pieces_) {
    elements.push_back(output == "TEXT" ? absl::string_view(piece.text)
                                        : ChannelName(piece.channel));
  }
  AddBytesTensor(output, elements, response);
}

void InferenceReply::AddMaps(absl::string_view output,
                             inference::ModelInferResponse* response) const {
  std::vector<absl::string_view> elements;
  elements.reserve(maps_.size());
  for (const Map& map : maps_) {
    elements.push_back(output == "MAP" ? BytesOf(map.png)
                                       : absl::string_view(KindName(map.kind)));
  }
  AddBytesTensor(output, elements, response);
}

void InferenceReply::AddFinal(absl::string_view output,
                              inference::ModelInferResponse* response) const {
  if (output == "TEXT" || output == "CHANNEL") {
    if (!streamed_) AddPieces(output, response);
  } else if (output == "MAP" || output == "MAP_KIND") {
    if (!streamed_) AddMaps(output, response);
  } else if (output == "ANSWER") {
    AddBytesTensor(output, {end_.answer}, response);
  } else if (output == "ANSWER_TEXT") {
    AddBytesTensor(output, {end_.answer_text}, response);
  } else if (output == "BOXED") {
    AddBytesTensor(output, {end_.boxed.value_or("")}, response);
  } else if (output == "THOUGHTS") {
    AddBytesTensor(output, {thoughts_}, response);
  } else if (output == "FINISH_REASON") {
    AddBytesTensor(
        output, {absl::AsciiStrToUpper(engine::FinishReasonName(end_.reason))},
        response);
  } else if (output == "DEPTH") {
    AddTensor(output, "FP32", {values_.size.height, values_.size.width},
              std::string(BytesOf(values_.data)), response);
  } else if (output == "REGIONS") {
    AddBytesTensor(output, {RegionsJson(values_.regions)}, response);
  } else if (output == "DISPLAY") {
    AddBytesTensor(output, {BytesOf(display_.data)}, response);
  } else if (output == "SEGMENTATION") {
    AddTensor(output, "UINT8", {values_.size.height, values_.size.width, 3},
              std::string(BytesOf(values_.data)), response);
  }
}

}  // namespace cooper::kserve
