// The programs against the recorded runs of the public reference: the same
// texts, images and maps go to the same contexts in the same order.

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/engine/program/fixed_programs.h"
#include "server/engine/program/reasoning_program.h"

namespace cooper::engine {
namespace {

using nlohmann::json;

std::vector<json> Loops() {
  std::ifstream file(COOPER_TEST_DATA "/goldens/cases/index.json");
  const json index = json::parse(file);
  std::vector<json> loops;
  for (const json& golden : index.at("cases")) {
    if (golden.at("kind") == "loops") loops.push_back(golden);
  }
  return loops;
}

std::vector<ProgramInput> InputsOf(const json& golden) {
  std::vector<ProgramInput> inputs;
  int images = 0;
  const json sizes = golden.value("image_sizes", json::object());
  for (const json& input : golden.at("inputs")) {
    const auto name = input.get<std::string>();
    if (sizes.contains(name)) {
      inputs.emplace_back(InputImage{images++});
    } else {
      inputs.emplace_back(TextPart{name, TextOrigin::kUser});
    }
  }
  return inputs;
}

std::unique_ptr<Program> ProgramOf(const json& golden) {
  const auto method = golden.at("method").get<std::string>();
  const json& settings = golden.at("settings");
  ProgramOptions options;
  options.repeat_without_request = true;
  options.think = settings.value("is_thinking", true);
  std::vector<ProgramInput> inputs = InputsOf(golden);
  if (method == "interleave_reason_tool_condition") {
    return std::make_unique<ReasoningProgram>(inputs, options);
  }
  if (method == "image_reason_tool_condition") {
    return std::make_unique<PerceiveProgram>(inputs, options);
  }
  if (method == "text_reason") {
    return std::make_unique<TextProgram>(inputs, options);
  }
  if (settings.value("understanding_output", false)) {
    options.think = false;
    options.texts_to_no_image = true;
    return std::make_unique<TextProgram>(inputs, options);
  }
  if (method == "interleave_inference" || method == "image_generation_edit") {
    options.think = settings.value("think", false);
    return std::make_unique<GenerateProgram>(inputs, options);
  }
  options.kind = method == "segmentation_generation"
                     ? model::MapKind::kSegmentation
                     : model::MapKind::kDepth;
  return std::make_unique<MapProgram>(inputs, options);
}

// One line an event. A picture may stand for a depth map whose values only
// are drawn, so kinds are told apart by depth or not.
std::vector<std::string> ExpectedLines(const json& golden) {
  std::vector<std::string> lines;
  for (const json& event : golden.at("events")) {
    const auto op = event.at("op").get<std::string>();
    const auto ctx = event.at("ctx").get<std::string>();
    if (op == "text") {
      lines.push_back(
          absl::StrCat(ctx, " text ", event.at("text").get<std::string>()));
    } else if (op == "image") {
      if (event.at("vae").get<bool>()) lines.push_back(ctx + " vae");
      if (event.at("vit").get<bool>()) lines.push_back(ctx + " vit");
    } else if (op == "gen_text") {
      lines.push_back("decode");
    } else {
      lines.push_back(event.at("out_depth").get<bool>() ? "depth" : "picture");
    }
  }
  return lines;
}

TEST(ProgramGoldensTest, EveryRunIsReproduced) {
  const std::vector<json> loops = Loops();
  ASSERT_FALSE(loops.empty());
  for (const json& golden : loops) {
    SCOPED_TRACE(golden.at("name").get<std::string>());
    std::vector<std::string> texts;
    for (const json& event : golden.at("events")) {
      if (event.at("op") == "gen_text") texts.push_back(event.at("text"));
    }
    const std::unique_ptr<Program> program = ProgramOf(golden);
    const std::vector<std::string> expected = ExpectedLines(golden);
    std::vector<std::string> lines;
    size_t decoded = 0;
    std::string answer;
    for (bool more = true; more && lines.size() <= expected.size();) {
      const Work work = program->Next();
      if (const auto* context = std::get_if<ContextWork>(&work)) {
        for (const ContextOp& op : context->ops) {
          const auto* append = std::get_if<PrefillOp>(&op);
          if (append == nullptr) continue;
          const std::string ctx = append->branch == Branch::kCond ? "cond"
                                  : append->branch == Branch::kNoText
                                      ? "no_text"
                                      : "no_image";
          if (const auto* text = std::get_if<TextPart>(&append->segment)) {
            lines.push_back(absl::StrCat(ctx, " text ", text->text));
          } else {
            lines.push_back(ctx +
                            (append->segment.index() == 1 ? " vae" : " vit"));
          }
        }
      } else if (std::holds_alternative<DecodeWork>(work)) {
        lines.push_back("decode");
        ASSERT_LT(decoded, texts.size());
        DecodedText text;
        text.raw = texts[decoded++];
        program->OnText(text);
      } else if (const auto* denoise = std::get_if<DenoiseWork>(&work)) {
        lines.push_back(denoise->kind == model::MapKind::kDepth ? "depth"
                                                                : "picture");
      } else {
        answer = std::get<FinishWork>(work).answer;
        more = false;
      }
    }
    EXPECT_EQ(lines, expected);
    EXPECT_EQ(decoded, texts.size());
    const auto method = golden.at("method").get<std::string>();
    if (method.find("reason") != std::string::npos) {
      EXPECT_EQ(answer, golden.at("response").get<std::string>());
    }
  }
}

}  // namespace
}  // namespace cooper::engine
