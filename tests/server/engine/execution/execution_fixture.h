#ifndef COOPER_TESTS_SERVER_ENGINE_EXECUTION_EXECUTION_FIXTURE_H_
#define COOPER_TESTS_SERVER_ENGINE_EXECUTION_EXECUTION_FIXTURE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/fake/fake_model.h"
#include "model/image/resize.h"
#include "server/engine/execution/execution.h"
#include "server/engine/program/reasoning_program.h"
#include "tests/server/engine/engine_fixture.h"

// One request run alone on a fake model, for the tests of Execution.

namespace cooper::engine {

inline constexpr char kDepthQuestion[] = "a depth question";

// What happened, as lines.
class LogObserver final : public ExecutionObserver {
 public:
  void OnTextDelta(TextDeltaEvent&& delta) override {
    const int channel = static_cast<int>(delta.channel);
    const std::string key = absl::StrCat("text ", delta.turn, " ", channel);
    if (lines.empty() || last_key_ != key) lines.push_back(key + ":");
    last_key_ = key;
    lines.back() += delta.text;
  }
  void OnToken(int turn) override { ++tokens; }
  void OnMapStarted(MapStartedEvent&& started) override {
    Add(absl::StrCat("map ", started.map_id, " started ", started.size.width,
                     "x", started.size.height, " ", started.num_steps, " '",
                     started.request_text, "'"));
  }
  void OnMapStep(int map_id, int step, int num_steps,
                 std::optional<image::FloatRgbImage>&& preview) override {
    Add(absl::StrCat("step ", step, "/", num_steps,
                     preview.has_value() ? " preview" : ""));
  }
  void OnMapDrawn(const std::shared_ptr<const DrawnMap>& map) override {
    Add(absl::StrCat("map ", map->map_id, " drawn"));
    maps.push_back(map);
  }
  std::vector<std::string> lines;
  std::vector<std::shared_ptr<const DrawnMap>> maps;
  int tokens = 0;

 private:
  void Add(std::string line) {
    lines.push_back(std::move(line));
    last_key_.clear();
  }
  std::string last_key_;
};

inline ProgramOptions SmallOptions() {
  ProgramOptions options;
  options.max_think_tokens = 200;
  options.map_size = {96, 80};
  return options;
}

// A run of `program` about an image of 96 x 80 px.
inline ExecutionSpec Spec(std::unique_ptr<Program> program,
                          const fake::FakeModel& model, uint64_t seed = 7) {
  ExecutionSpec spec;
  spec.program = std::move(program);
  PreparedImage image;
  image.latents = std::make_shared<const image::RgbImage>(TestImage(96, 80));
  image.vision = std::make_shared<const image::RgbImage>(
      image::ApplyRule(*image.latents, model.info().vit_rule));
  spec.images = {image};
  spec.noise = std::make_unique<model::SeededNoise>(seed);
  spec.flow.num_timesteps = 4;
  return spec;
}

inline std::unique_ptr<Program> Reasoning(
    const std::string& question = kDepthQuestion,
    ProgramOptions options = SmallOptions()) {
  return std::make_unique<ReasoningProgram>(
      std::vector<ProgramInput>{InputImage{0},
                                TextPart{question, TextOrigin::kUser}},
      std::move(options));
}

// Rows that `text` takes in a cache, bos and eos included.
inline int64_t TextRows(const fake::FakeModel& model, const std::string& text) {
  return static_cast<int64_t>(model.text_codec()
                                  .Encode(text, model::ControlText::kParse)
                                  .size()) +
         2;
}

}  // namespace cooper::engine

#endif  // COOPER_TESTS_SERVER_ENGINE_EXECUTION_EXECUTION_FIXTURE_H_
