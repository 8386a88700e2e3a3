#include "tests/golden/loop_recorder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <stdexcept>
#include <utility>

#include "model/image/resize.h"
#include "model/torch/denoiser.h"
#include "tests/golden/checks.h"

namespace cooper::golden {
namespace {

using engine::Branch;
using Growth = testing::RecordingModel::Growth;

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

// The text that the reference decoded as its `index`th.
std::optional<std::string> GoldenText(const Json& golden, size_t index) {
  for (const Json& event : golden.at("events")) {
    if (event.at("op") == "gen_text" && index-- == 0) {
      return event.at("text").get<std::string>();
    }
  }
  return std::nullopt;
}

}  // namespace

LoopRecorder::LoopRecorder(model::UnifiedModel* model,
                           const GoldenData& goldens, const Json& golden,
                           const LoopInputs& inputs, bool feed_golden,
                           Comparison* out)
    : RecordingModel(model),
      goldens_(goldens),
      golden_(golden),
      inputs_(inputs),
      feed_golden_(feed_golden),
      out_(out) {}

std::string LoopRecorder::Map(const std::string& tensor) const {
  return absl::StrCat("map", maps_, "/", tensor);
}

// ---- What the program asks for

void LoopRecorder::OnWork(const engine::Work& work) {
  if (const auto* context = std::get_if<engine::ContextWork>(&work)) {
    for (const engine::ContextOp& op : context->ops) {
      if (const auto* fork = std::get_if<engine::ForkOp>(&op)) {
        held_[Index(fork->to)] = held_[Index(fork->from)];
      } else {
        OnPrefill(std::get<engine::PrefillOp>(op));
      }
    }
  } else if (const auto* decode = std::get_if<engine::DecodeWork>(&work)) {
    decode_ = *decode;
    Text text{events_.size(), std::nullopt};
    const std::vector<size_t>& held = held_[Index(decode->from)];
    if (!held.empty()) text.after = held.back();
    decodes_.push_back(text);
    events_.push_back({{"op", "gen_text"}, {"ctx", NameOf(decode->from)}});
  } else if (const auto* denoise = std::get_if<engine::DenoiseWork>(&work)) {
    denoise_ = *denoise;
  }
}

void LoopRecorder::OnPrefill(const engine::PrefillOp& op) {
  Prefill prefill{events_.size(), false, std::nullopt};
  held_[Index(op.branch)].push_back(prefills_.size());
  Json event = {{"ctx", NameOf(op.branch)}};
  if (const auto* text = std::get_if<engine::TextPart>(&op.segment)) {
    event["op"] = "text";
    event["text"] = text->text;
  } else if (const auto* latent =
                 std::get_if<engine::LatentPart>(&op.segment)) {
    const image::Size size = inputs_.images.at(latent->image).latents->size;
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
        is_map ? inputs_.map_size
               : inputs_.images.at(vision.index).latents->size;
    const Json vit_size = SizePair(image::ResizedSize(size, info().vit_rule));
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

// Scripted texts are not decoded. A text of our own may differ from the
// reference's, and all that follows with it: unless texts are exact, the run
// goes on with the reference's.
std::optional<std::string> LoopRecorder::KnownText() {
  const size_t index = decodes_.size() - 1;
  const Json& script = golden_.at("script");
  if (script.is_array() && index < script.size() && script[index].is_string()) {
    return script[index].get<std::string>();
  }
  return out_->tolerances().exact_texts ? std::nullopt
                                        : GoldenText(golden_, index);
}

// ---- What the model gets

void LoopRecorder::See(Branch branch, const model::Context& context) {
  const History history = HistoryOf(context);
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

absl::Status LoopRecorder::Decode(absl::Span<model::DecodeItem> items) {
  for (const model::DecodeItem& item : items) See(decode_.from, *item.context);
  return RecordingModel::Decode(items);
}

absl::StatusOr<std::unique_ptr<model::Denoiser>> LoopRecorder::StartDenoise(
    const model::DenoiseSpec& spec) {
  events_.push_back({{"op", "gen_image"},
                     {"ctx", "cond"},
                     {"shape", Pair(spec.size.height, spec.size.width)},
                     {"out_depth", denoise_.kind == model::MapKind::kDepth},
                     {"cond", CounterPair(*spec.cond)},
                     {"no_text", CounterPair(*spec.no_text)},
                     {"no_image", CounterPair(*spec.no_image)}});
  See(Branch::kCond, *spec.cond);
  See(Branch::kNoText, *spec.no_text);
  See(Branch::kNoImage, *spec.no_image);
  CheckNorms(Map("cond"), *spec.cond);
  CheckNorms(Map("no_text"), *spec.no_text);
  CheckNorms(Map("no_image"), *spec.no_image);
  return RecordingModel::StartDenoise(spec);
}

absl::StatusOr<std::unique_ptr<model::Step>> LoopRecorder::BeginVaeDecode(
    absl::Span<model::VaeDecodeItem> items) {
  for (const model::VaeDecodeItem& item : items) {
    out_->Close(
        Map("latent"),
        static_cast<const torch_model::TorchDenoiser&>(*item.denoiser).x(),
        goldens_.Tensor(golden_, Map("latent")),
        tight() ? &Tolerances::latents : &Tolerances::latents_after_own_map);
  }
  return RecordingModel::BeginVaeDecode(items);
}

std::shared_ptr<const engine::DrawnMap> LoopRecorder::Show(
    std::shared_ptr<const engine::DrawnMap> map) {
  if (goldens_.Has(golden_, Map("depth"))) {
    out_->CloseAbsolute(
        Map("depth"),
        at::tensor(map->depth.pixels)
            .view({map->depth.size.height, map->depth.size.width}),
        goldens_.Tensor(golden_, Map("depth")),
        tight() ? &Tolerances::depth : &Tolerances::depth_after_own_map);
  }
  if (goldens_.Has(golden_, Map("image_u8"))) {
    if (tight()) {
      out_->Bytes(Map("image_u8"), ToTensor(map->picture),
                  goldens_.Tensor(golden_, Map("image_u8")),
                  goldens_.Has(golden_, Map("depth")) ? &Tolerances::colours
                                                      : &Tolerances::levels);
    }
    if (feed_golden_) {
      auto shown = std::make_shared<engine::DrawnMap>(*map);
      shown->picture = goldens_.Image(golden_, Map("image_u8"));
      if (map->vision != nullptr) {
        engine::RenderVision(info().vae_rule, info().vit_rule, shown.get());
      }
      map = std::move(shown);
    }
  }
  ++maps_;
  return map;
}

void LoopRecorder::CheckNorms(const std::string& name,
                              const model::Context& context) {
  Limit Tolerances::* const limit = maps_ == 0 ? &Tolerances::norms
                                    : feed_golden_
                                        ? &Tolerances::norms_after_map
                                        : &Tolerances::norms_after_own_map;
  if (goldens_.Has(golden_, name + "/k_norms")) {
    out_->Close(name + "/k_norms", KeyNorms(context),
                goldens_.Tensor(golden_, name + "/k_norms"), limit);
    out_->Close(name + "/v_norms", ValueNorms(context),
                goldens_.Tensor(golden_, name + "/v_norms"), limit);
  }
}

// ---- After the run

void LoopRecorder::Finish(engine::Execution* execution) {
  const engine::SessionContexts contexts = execution->TakeKept();
  See(Branch::kCond, *contexts.cond);
  if (contexts.no_image != nullptr) See(Branch::kNoImage, *contexts.no_image);
  const Json& end = golden_.at("end");
  out_->EqualValues("end kv", contexts.cond->cache_length(),
                    end.at("kv").get<int64_t>());
  out_->EqualValues("end rope", contexts.cond->next_position(),
                    end.at("rope").get<int64_t>());
  CheckNorms("end", *contexts.cond);
  const Json& response = golden_.at("response");
  if (response.is_string()) {
    out_->EqualValues("response", execution->finish().answer,
                      response.get<std::string>());
  }
  FillCounters();
  CheckEvents();
}

void LoopRecorder::FillCounters() {
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
  for (const Text& text : decodes_) {
    const RecordingModel::Counters from =
        text.after.has_value() ? prefills_[*text.after].growth->after
                               : RecordingModel::Counters();
    events_[text.event]["kv"] = Json::array({from.cache_length});
    events_[text.event]["rope"] = Json::array({from.next_position});
  }
}

void LoopRecorder::CheckEvents() {
  const Json& want = golden_.at("events");
  out_->EqualValues("number of events", static_cast<int64_t>(events_.size()),
                    static_cast<int64_t>(want.size()));
  for (size_t i = 0; i < decodes_.size() && i < texts_.size(); ++i) {
    events_[decodes_[i].event]["text"] = texts_[i];
  }
  for (size_t i = 0; i < events_.size() && i < want.size(); ++i) {
    const Json& expected = want[i];
    // Compare what both name: other goldens may carry more fields.
    for (const auto& [key, value] : events_[i].items()) {
      if (!expected.contains(key)) continue;
      out_->Check(absl::StrCat("event ", i, " ", key), value == expected[key],
                  absl::StrCat("got ", value.dump().substr(0, 200), ", want ",
                               expected[key].dump().substr(0, 200)));
    }
    out_->Check(absl::StrCat("event ", i, " op"),
                events_[i].at("op") == expected.at("op"), "differs");
  }
}

// ---- RecordedProgram

engine::Work RecordedProgram::Next() {
  while (true) {
    engine::Work work = program_->Next();
    recorder_->OnWork(work);
    if (!std::holds_alternative<engine::DecodeWork>(work)) return work;
    std::optional<std::string> known = recorder_->KnownText();
    if (!known.has_value()) return work;
    OnText({.raw = *std::move(known)});
  }
}

void RecordedProgram::OnText(const engine::DecodedText& text) {
  recorder_->OnText(text.raw);
  program_->OnText(text);
}

}  // namespace cooper::golden
