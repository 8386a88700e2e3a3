// Whole runs of the reference's methods, event by event.

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <array>
#include <optional>
#include <stdexcept>
#include <utility>

#include "model/image/resize.h"
#include "server/engine/execution/execution.h"
#include "server/engine/program/fixed_programs.h"
#include "server/engine/program/reasoning_program.h"
#include "tests/golden/checks.h"
#include "tests/testing/run_alone.h"

namespace cooper::golden {
namespace {

using engine::Branch;

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
Json Counters(const model::Context& context) {
  return Pair(context.cache_length(), context.next_position());
}

class Ignore final : public engine::ExecutionObserver {};

// The inputs of a run, in the forms that a program and an execution take.
struct Inputs {
  std::vector<engine::ProgramInput> program;
  std::vector<engine::PreparedImage> images;
  image::Size map_size;
};

Inputs ReadInputs(const GoldenData& goldens, const Json& golden,
                  const model::ModelInfo& info) {
  Inputs inputs;
  const Json& settings = golden.at("settings");
  const auto shape = settings.find("image_shapes");
  if (shape != settings.end()) inputs.map_size = {shape->at(1), shape->at(0)};
  for (const std::string input : golden.at("inputs")) {
    const Json* image = goldens.FindCase("images", input);
    if (image == nullptr || !goldens.Has(*image, "raw_u8")) {
      inputs.program.emplace_back(
          engine::TextPart{input, engine::TextOrigin::kUser});
      continue;
    }
    engine::PreparedImage prepared;
    prepared.latents = std::make_shared<const image::RgbImage>(
        image::ApplyRule(goldens.Image(*image, "raw_u8"), info.vae_rule));
    prepared.vision = std::make_shared<const image::RgbImage>(
        image::ApplyRule(*prepared.latents, info.vit_rule));
    inputs.map_size = prepared.latents->size;
    inputs.program.emplace_back(
        engine::InputImage{static_cast<int>(inputs.images.size())});
    inputs.images.push_back(std::move(prepared));
  }
  return inputs;
}

std::unique_ptr<engine::Program> MakeProgram(const Json& golden,
                                             const Inputs& inputs) {
  const std::string method = golden.at("method");
  const Json& settings = golden.at("settings");
  engine::ProgramOptions options;  // the reference's prompts, not the model's
  options.max_think_tokens = settings.value("max_think_token_n", 4096);
  options.max_turns = settings.value("max_turns", 3);
  options.map_size = inputs.map_size;
  options.repeat_without_request = true;
  if (method == "interleave_reason_tool_condition") {
    return std::make_unique<engine::ReasoningProgram>(inputs.program, options);
  }
  if (method == "image_reason_tool_condition") {
    return std::make_unique<engine::PerceiveProgram>(inputs.program, options);
  }
  if (method == "text_reason") {
    options.think = settings.value("is_thinking", true);
    return std::make_unique<engine::TextProgram>(inputs.program, options);
  }
  if (method == "interleave_inference" &&
      settings.value("understanding_output", false)) {
    options.think = settings.value("think", false);
    options.texts_to_no_image = true;
    return std::make_unique<engine::TextProgram>(inputs.program, options);
  }
  if (method == "interleave_inference" || method == "image_generation_edit") {
    options.think = settings.value("think", false);
    return std::make_unique<engine::GenerateProgram>(inputs.program, options);
  }
  if (method.find("depth") == 0 || method.find("segmentation") == 0) {
    options.kind = method.find("depth") == 0 ? model::MapKind::kDepth
                                             : model::MapKind::kSegmentation;
    return std::make_unique<engine::MapProgram>(inputs.program, options);
  }
  throw std::runtime_error("unknown method " + method);
}

// Follows a run, writes its events in the goldens' form, and compares maps and
// contexts as they come.
class Recorder final : public engine::ExecutionProbe {
 public:
  // `feed_golden`: the model looks at the golden images, so that what follows
  // can be compared tightly.
  Recorder(const GoldenData& goldens, const Json& golden,
           const model::ModelInfo& info, const Inputs& inputs, bool feed_golden,
           Comparison* out)
      : goldens_(goldens),
        golden_(golden),
        info_(info),
        inputs_(inputs),
        feed_golden_(feed_golden),
        out_(out) {}

  void OnContextOp(const engine::ContextOp& op, engine::ContextCounters before,
                   engine::ContextCounters after) override {
    const auto* append = std::get_if<engine::PrefillOp>(&op);
    if (append == nullptr) return;
    Json event = {{"ctx", NameOf(append->branch)},
                  {"kv", Pair(before.cache_length, after.cache_length)},
                  {"rope", Pair(before.next_position, after.next_position)}};
    if (const auto* text = std::get_if<engine::TextPart>(&append->segment)) {
      event["op"] = "text";
      event["text"] = text->text;
      events_.push_back(std::move(event));
      return;
    }
    event["op"] = "image";
    if (const auto* latent =
            std::get_if<engine::LatentPart>(&append->segment)) {
      const image::Size size = inputs_.images.at(latent->image).latents->size;
      event["size"] = SizePair(size);
      event["vae_size"] = SizePair(size);
      event["vae"] = true;
      event["vit"] = false;
      latent_pending_ = true;
      events_.push_back(std::move(event));
      return;
    }
    const auto& vision = std::get<engine::VisionPart>(append->segment);
    const bool is_map = vision.source == engine::VisionPart::Source::kMap;
    const image::Size size =
        is_map ? inputs_.map_size
               : inputs_.images.at(vision.index).latents->size;
    const Json vit_size = SizePair(image::ResizedSize(size, info_.vit_rule));
    if (std::exchange(latent_pending_, false)) {
      // The reference adds an image as latents and as the encoder sees it in
      // one event.
      Json& last = events_.back();
      last["vit"] = true;
      last["vit_size"] = vit_size;
      last["kv"][1] = after.cache_length;
      last["rope"][1] = after.next_position;
      return;
    }
    event["size"] = SizePair(size);
    event["vae"] = false;
    event["vit"] = true;
    event["vit_size"] = vit_size;
    events_.push_back(std::move(event));
  }

  std::optional<std::string> ReplaceText(const engine::DecodeWork& work,
                                         const model::Context& from) override {
    events_.push_back({{"op", "gen_text"},
                       {"ctx", NameOf(work.from)},
                       {"kv", Json::array({from.cache_length()})},
                       {"rope", Json::array({from.next_position()})}});
    const size_t index = texts_++;
    const Json& script = golden_.at("script");
    if (script.is_array() && index < script.size() &&
        script[index].is_string()) {
      return script[index].get<std::string>();
    }
    // A text of our own may differ from the reference's, and all that follows
    // with it: the run goes on with the reference's.
    return out_->tolerances().exact_texts ? std::nullopt : GoldenText(index);
  }

  void OnDenoise(const engine::DenoiseWork& work, const model::Context& cond,
                 const model::Context& no_text,
                 const model::Context& no_image) override {
    events_.push_back({{"op", "gen_image"},
                       {"ctx", "cond"},
                       {"shape", Pair(work.size.height, work.size.width)},
                       {"out_depth", work.kind == model::MapKind::kDepth},
                       {"cond", Counters(cond)},
                       {"no_text", Counters(no_text)},
                       {"no_image", Counters(no_image)}});
    CheckNorms(Map("cond"), cond, maps_ == 0);
    CheckNorms(Map("no_text"), no_text, maps_ == 0);
    CheckNorms(Map("no_image"), no_image, maps_ == 0);
  }

  void OnDenoiseDone(const engine::DenoiseWork& work,
                     const model::Denoiser& flow,
                     const image::FloatRgbImage& decoded) override {
    out_->Close(
        Map("latent"), static_cast<const torch_model::TorchDenoiser&>(flow).x(),
        goldens_.Tensor(golden_, Map("latent")),
        maps_ == 0 || feed_golden_ ? &Tolerances::latents
                                   : &Tolerances::latents_after_own_map);
  }

  void OnPicture(const engine::DenoiseWork& work,
                 engine::DrawnMap* map) override {
    const bool tight = maps_ == 0 || feed_golden_;
    if (goldens_.Has(golden_, Map("depth"))) {
      out_->CloseAbsolute(
          Map("depth"),
          at::tensor(map->depth.pixels)
              .view({map->depth.size.height, map->depth.size.width}),
          goldens_.Tensor(golden_, Map("depth")),
          tight ? &Tolerances::depth : &Tolerances::depth_after_own_map);
    }
    if (goldens_.Has(golden_, Map("image_u8"))) {
      if (tight) {
        out_->Bytes(Map("image_u8"), ToTensor(map->picture),
                    goldens_.Tensor(golden_, Map("image_u8")),
                    goldens_.Has(golden_, Map("depth")) ? &Tolerances::colours
                                                        : &Tolerances::levels);
      }
      if (feed_golden_) {
        map->picture = goldens_.Image(golden_, Map("image_u8"));
      }
    }
    ++maps_;
  }

  void OnFinish(const engine::FinishWork& work,
                const std::array<std::unique_ptr<model::Context>,
                                 engine::kBranches>& contexts) override {
    const model::Context& cond = *contexts.at(0);
    out_->EqualValues("end kv", cond.cache_length(),
                      golden_.at("end").at("kv").get<int64_t>());
    out_->EqualValues("end rope", cond.next_position(),
                      golden_.at("end").at("rope").get<int64_t>());
    CheckNorms("end", cond, maps_ == 0);
    const Json& response = golden_.at("response");
    if (response.is_string()) {
      out_->EqualValues("response", work.answer, response.get<std::string>());
    }
  }

  // After the run: the texts that were decoded belong into their events.
  void CheckEvents(const std::vector<std::string>& decoded) {
    const Json& want = golden_.at("events");
    out_->EqualValues("number of events", static_cast<int64_t>(events_.size()),
                      static_cast<int64_t>(want.size()));
    size_t text = 0;
    for (size_t i = 0; i < events_.size() && i < want.size(); ++i) {
      Json expected = want[i];
      if (expected.at("op") == "gen_text") {
        if (text < decoded.size()) events_[i]["text"] = decoded[text++];
      }
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

 private:
  std::string Map(const std::string& tensor) const {
    return absl::StrCat("map", maps_, "/", tensor);
  }

  // The text that the reference decoded as its `index`th.
  std::optional<std::string> GoldenText(size_t index) const {
    for (const Json& event : golden_.at("events")) {
      if (event.at("op") == "gen_text" && index-- == 0) {
        return event.at("text").get<std::string>();
      }
    }
    return std::nullopt;
  }

  void CheckNorms(const std::string& name, const model::Context& context,
                  bool first) {
    Limit Tolerances::* const limit = first ? &Tolerances::norms
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

  const GoldenData& goldens_;
  const Json& golden_;
  const model::ModelInfo& info_;
  const Inputs& inputs_;
  const bool feed_golden_;
  Comparison* const out_;
  std::vector<Json> events_;
  bool latent_pending_ = false;
  size_t texts_ = 0;
  int maps_ = 0;
};

// Keeps the raw texts that a program is told of.
class Listening final : public engine::Program {
 public:
  Listening(std::unique_ptr<engine::Program> program,
            std::vector<std::string>* texts)
      : program_(std::move(program)), texts_(texts) {}
  engine::Work Next() override { return program_->Next(); }
  void OnText(const engine::DecodedText& text) override {
    texts_->push_back(text.raw);
    program_->OnText(text);
  }

 private:
  std::unique_ptr<engine::Program> program_;
  std::vector<std::string>* const texts_;
};

void RunLoop(const GoldenData& goldens, const Json& golden,
             torch_model::TorchModel& model, bool feed_golden,
             Comparison* out) {
  const Inputs inputs = ReadInputs(goldens, golden, model.info());
  auto noise = std::make_unique<RecordedNoise>();
  const RecordedNoise* const draws = noise.get();
  for (int i = 0; goldens.Has(golden, absl::StrCat("noise", i)); ++i) {
    noise->Add(goldens.Tensor(golden, absl::StrCat("noise", i)));
  }
  std::vector<std::string> texts;
  engine::ExecutionSpec spec;
  spec.program =
      std::make_unique<Listening>(MakeProgram(golden, inputs), &texts);
  spec.images = inputs.images;
  spec.noise = std::move(noise);
  spec.flow = FlowOptionsOf(golden.at("settings"));
  spec.user_text = model::ControlText::kParse;  // as the reference does
  Ignore observer;
  Recorder recorder(goldens, golden, model.info(), inputs, feed_golden, out);
  engine::Execution execution(&model, std::move(spec), &observer, &recorder);
  Require(engine::RunAlone(&model, &execution));
  recorder.CheckEvents(texts);
  out->EqualValues("draws left", static_cast<int64_t>(draws->left()),
                   int64_t{0});
}

}  // namespace

void CheckLoops(const GoldenData& goldens, const Json& golden,
                torch_model::TorchModel& model, Comparison* out) {
  RunLoop(goldens, golden, model, /*feed_golden=*/true, out);
  // Once more with our own maps looked at, as the server does.
  if (goldens.Has(golden, "map0/image_u8")) {
    RunLoop(goldens, golden, model, /*feed_golden=*/false, out);
  }
}

}  // namespace cooper::golden
