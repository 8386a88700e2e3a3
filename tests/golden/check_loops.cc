// Whole runs of the reference's methods, event by event.

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <utility>

#include "absl/flags/flag.h"
#include "model/image/resize.h"
#include "server/engine/execution/execution.h"
#include "server/engine/program/fixed_programs.h"
#include "server/engine/program/reasoning_program.h"
#include "tests/golden/checks.h"
#include "tests/golden/loop_recorder.h"
#include "tests/testing/run_alone.h"

ABSL_FLAG(int64_t, prefill_part, std::numeric_limits<int64_t>::max(),
          "of whole runs: longest part, in tokens, in which a text is "
          "prefilled");

namespace cooper::golden {
namespace {

LoopInputs ReadInputs(const GoldenData& goldens, const Json& golden,
                      const model::ModelInfo& info) {
  LoopInputs inputs;
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
                                             const LoopInputs& inputs) {
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

void RunLoop(const GoldenData& goldens, const Json& golden,
             torch_model::TorchModel& model, bool feed_golden,
             Comparison* out) {
  const LoopInputs inputs = ReadInputs(goldens, golden, model.info());
  auto noise = std::make_unique<RecordedNoise>();
  const RecordedNoise* const draws = noise.get();
  for (int i = 0; goldens.Has(golden, absl::StrCat("noise", i)); ++i) {
    noise->Add(goldens.Tensor(golden, absl::StrCat("noise", i)));
  }
  LoopRecorder recorder(&model, goldens, golden, &inputs, feed_golden, out);
  engine::ExecutionSpec spec;
  spec.program =
      std::make_unique<RecordedProgram>(MakeProgram(golden, inputs), &recorder);
  spec.images = inputs.images;
  spec.noise = std::move(noise);
  spec.flow = FlowOptionsOf(golden.at("settings"));
  spec.user_text = model::ControlText::kParse;  // as the reference does
  spec.keep_contexts = true;
  engine::ExecutionObserver observer;
  engine::Execution execution(&recorder, std::move(spec), &observer);
  execution.SetMaxPrefillPart(absl::GetFlag(FLAGS_prefill_part));
  Require(engine::RunAlone(&recorder, &execution, [&](auto map) {
    return recorder.Show(std::move(map));
  }));
  recorder.Finish(&execution);
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
