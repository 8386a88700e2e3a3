#include "tests/golden/loop_events.h"

#include <stdexcept>
#include <utility>
#include <variant>

#include "model/image/resize.h"

namespace cooper::golden {
namespace {

using engine::Branch;
using Json = nlohmann::json;
using testing::RecordingModel;
using Growth = RecordingModel::Growth;

size_t Index(Branch branch) { return static_cast<size_t>(branch); }

const char* NameOf(Branch branch) {
  switch (branch) {
    case Branch::kCond:
      return "cond";
    case Branch::kNoText:
      return "no_text";
    case Branch::kNoImage:
      return "no_image";
    case Branch::kScratch:
    case Branch::kScratchStart:
      break;
  }
  return "scratch";
}

Json Pair(int64_t a, int64_t b) { return Json::array({a, b}); }
Json SizePair(image::Size size) { return Pair(size.width, size.height); }
Json CounterPair(const model::Context& context) {
  return Pair(context.cache_length(), context.next_position());
}

}  // namespace

void LoopEvents::Add(const engine::ContextWork& work) {
  for (const engine::ContextOp& op : work.ops) {
    if (const auto* fork = std::get_if<engine::ForkOp>(&op)) {
      held_[Index(fork->to)] = held_[Index(fork->from)];
    } else {
      Add(std::get<engine::PrefillOp>(op));
    }
  }
}

void LoopEvents::Add(const engine::DecodeWork& work) {
  Decode decode{events_.size(), std::nullopt};
  const std::vector<size_t>& held = held_[Index(work.from)];
  if (!held.empty()) decode.after = held.back();
  decodes_.push_back(decode);
  events_.push_back({{"op", "gen_text"}, {"ctx", NameOf(work.from)}});
}

void LoopEvents::Add(const engine::DenoiseWork& work,
                     const model::DenoiseSpec& spec) {
  events_.push_back({{"op", "gen_image"},
                     {"ctx", "cond"},
                     {"shape", Pair(spec.size.height, spec.size.width)},
                     {"out_depth", work.kind == model::MapKind::kDepth},
                     {"cond", CounterPair(*spec.cond)},
                     {"no_text", CounterPair(*spec.no_text)},
                     {"no_image", CounterPair(*spec.no_image)}});
}

void LoopEvents::Add(const engine::PrefillOp& op) {
  Prefill prefill{events_.size(), false, std::nullopt};
  held_[Index(op.branch)].push_back(prefills_.size());
  Json event = {{"ctx", NameOf(op.branch)}};
  if (const auto* text = std::get_if<engine::TextPart>(&op.segment)) {
    event["op"] = "text";
    event["text"] = text->text;
  } else if (const auto* latent =
                 std::get_if<engine::LatentPart>(&op.segment)) {
    const image::Size size = inputs_->images.at(latent->image).latents->size;
    event["op"] = "image";
    event["size"] = SizePair(size);
    event["vae_size"] = SizePair(size);
    event["vae"] = true;
    event["vit"] = false;
    latents_came_last_ = true;
  } else {
    const auto& vision = std::get<engine::VisionPart>(op.segment);
    const bool is_map = vision.source == engine::VisionPart::Source::kMap;
    const image::Size size =
        is_map ? inputs_->map_size
               : inputs_->images.at(vision.index).latents->size;
    const Json vit_size = SizePair(image::ResizedSize(size, info_->vit_rule));
    if (std::exchange(latents_came_last_, false)) {
      // The reference adds an image as latents and as the encoder sees it in
      // one event.
      prefill.joins = true;
      --prefill.event;
      events_.back()["vit"] = true;
      events_.back()["vit_size"] = vit_size;
    } else {
      event["op"] = "image";
      event["size"] = SizePair(size);
      event["vae"] = false;
      event["vit"] = true;
      event["vit_size"] = vit_size;
    }
  }
  if (!prefill.joins) events_.push_back(std::move(event));
  prefills_.push_back(prefill);
}

void LoopEvents::See(Branch branch, const RecordingModel::History& history) {
  const std::vector<size_t>& held = held_[Index(branch)];
  if (history.size() != held.size()) {
    throw std::runtime_error(absl::StrCat(NameOf(branch), " holds ",
                                          history.size(), " segments, not ",
                                          held.size()));
  }
  for (size_t i = 0; i < held.size(); ++i) {
    std::optional<Growth>& growth = prefills_[held[i]].growth;
    if (growth.has_value() && *growth != history[i]) {
      throw std::runtime_error(
          absl::StrCat("segment ", i, " of ", NameOf(branch), " has changed"));
    }
    growth = history[i];
  }
}

void LoopEvents::FillIn() {
  for (const Prefill& prefill : prefills_) {
    if (!prefill.growth.has_value()) {
      throw std::runtime_error("a segment reached no context");
    }
    Json& event = events_[prefill.event];
    const Growth& growth = *prefill.growth;
    if (!prefill.joins) {
      event["kv"][0] = growth.before.cache_length;
      event["rope"][0] = growth.before.next_position;
    }
    event["kv"][1] = growth.after.cache_length;
    event["rope"][1] = growth.after.next_position;
  }
  for (const Decode& decode : decodes_) {
    const RecordingModel::Counters from =
        decode.after.has_value() ? prefills_[*decode.after].growth->after
                                 : RecordingModel::Counters();
    events_[decode.event]["kv"] = Json::array({from.cache_length});
    events_[decode.event]["rope"] = Json::array({from.next_position});
  }
}

void LoopEvents::Check(const Json& want, Comparison* out) {
  FillIn();
  out->EqualValues("number of events", static_cast<int64_t>(events_.size()),
                   static_cast<int64_t>(want.size()));
  for (size_t i = 0; i < decodes_.size() && i < texts_.size(); ++i) {
    events_[decodes_[i].event]["text"] = texts_[i];
  }
  for (size_t i = 0; i < events_.size() && i < want.size(); ++i) {
    const Json& expected = want[i];
    // Compare what both name: other goldens may carry more fields.
    for (const auto& [key, value] : events_[i].items()) {
      if (!expected.contains(key)) continue;
      out->Check(absl::StrCat("event ", i, " ", key), value == expected[key],
                 absl::StrCat("got ", value.dump().substr(0, 200), ", want ",
                              expected[key].dump().substr(0, 200)));
    }
    out->Check(absl::StrCat("event ", i, " op"),
               events_[i].at("op") == expected.at("op"), "differs");
  }
}

}  // namespace cooper::golden
