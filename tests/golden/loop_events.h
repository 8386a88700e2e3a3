#ifndef COOPER_TESTS_GOLDEN_LOOP_EVENTS_H_
#define COOPER_TESTS_GOLDEN_LOOP_EVENTS_H_

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "model/unified_model.h"
#include "server/engine/execution/prepared_image.h"
#include "server/engine/program/program.h"
#include "tests/golden/comparison.h"
#include "tests/testing/recording_model.h"

namespace cooper::golden {

// The inputs of a run, in the forms that a program and an execution take.
struct LoopInputs {
  std::vector<engine::ProgramInput> program;
  std::vector<engine::PreparedImage> images;
  image::Size map_size;
};

// The events of a run in the goldens' form. What happens comes from the
// program's work; the counters come from the histories of the contexts that
// reach the model.
class LoopEvents {
 public:
  // Both outlive it.
  LoopEvents(const LoopInputs* inputs, const model::ModelInfo* info)
      : inputs_(inputs), info_(info) {}

  void Add(const engine::ContextWork& work);
  void Add(const engine::DecodeWork& work);
  void Add(const engine::DenoiseWork& work, const model::DenoiseSpec& spec);
  // The text of the DecodeWork that came last.
  void AddText(const std::string& raw) { texts_.push_back(raw); }
  // DecodeWorks so far.
  size_t decodes() const { return decodes_.size(); }

  // The context of `branch` has this history by now. Throws std::runtime_error
  // where it does not fit to the work.
  void See(engine::Branch branch,
           const testing::RecordingModel::History& history);

  // After the run. Throws std::runtime_error if a segment was never seen.
  void Check(const nlohmann::json& want, Comparison* out);

 private:
  // A segment, and what it did to the counters once that was seen.
  struct Prefill {
    size_t event = 0;
    bool joins = false;  // the event is that of the prefill before
    std::optional<testing::RecordingModel::Growth> growth;
  };
  // A text, decoded on what `after` (an index into prefills_) left.
  struct Decode {
    size_t event = 0;
    std::optional<size_t> after;
  };

  void Add(const engine::PrefillOp& op);
  void FillIn();

  const LoopInputs* const inputs_;
  const model::ModelInfo* const info_;
  std::vector<nlohmann::json> events_;
  std::vector<Prefill> prefills_;
  std::vector<Decode> decodes_;
  std::vector<std::string> texts_;  // by decode
  // By branch: indices into prefills_.
  std::array<std::vector<size_t>, engine::kBranches> held_;
  bool latents_came_last_ = false;
};

}  // namespace cooper::golden

#endif  // COOPER_TESTS_GOLDEN_LOOP_EVENTS_H_
