// How a request ends on the model: given back, out of memory, failed.
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "model/fake/fake_model.h"
#include "server/engine/core/error.h"
#include "server/engine/execution/execution.h"
#include "server/engine/program/fixed_programs.h"
#include "server/engine/program/reasoning_program.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/server/engine/execution/execution_fixture.h"
#include "tests/testing/run_alone.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using fake::FakeModel;
using Call = fake::FakeFault::Call;
using State = Execution::State;

TEST(ExecutionEndTest, AllModesReachTheirEndAndGiveEverythingBack) {
  FakeModel model(SmallScript());
  const std::vector<ProgramInput> inputs = {
      InputImage{0}, TextPart{kDepthQuestion, TextOrigin::kUser}};
  std::vector<std::unique_ptr<Program>> programs;
  programs.push_back(
      std::make_unique<ReasoningProgram>(inputs, SmallOptions()));
  programs.push_back(std::make_unique<PerceiveProgram>(inputs, SmallOptions()));
  programs.push_back(std::make_unique<MapProgram>(inputs, SmallOptions()));
  programs.push_back(std::make_unique<GenerateProgram>(inputs, SmallOptions()));
  for (auto& program : programs) {
    LogObserver observer;
    Execution execution(&model, Spec(std::move(program), model), &observer);
    ASSERT_OK(RunAlone(&model, &execution));
    EXPECT_EQ(model.live_contexts(), 0);
    EXPECT_EQ(model.live_denoisers(), 0);
    EXPECT_EQ(model.used_tokens(), 0);
  }
}

TEST(ExecutionEndTest, AFullPoolFailsTheRequestWithAHintToRetry) {
  fake::FakeScript script = SmallScript();
  script.kv_capacity_tokens = 1000;
  FakeModel model(script);
  LogObserver observer;
  Execution execution(&model, Spec(Reasoning(), model), &observer);
  const absl::Status status = RunAlone(&model, &execution);
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kMemoryPressure);
  EXPECT_TRUE(DetailsOf(status).retry_after.has_value());
  EXPECT_EQ(model.used_tokens(), 0);
}

TEST(ExecutionEndTest, ItemFaultsFailTheRequestInTheirPhase) {
  const struct {
    Call call;
    absl::StatusCode code;
    State phase;
    ErrorReason reason;
  } cases[] = {
      {Call::kPrefill, absl::StatusCode::kInternal, State::kPrefill,
       ErrorReason::kNumeric},
      {Call::kDecode, absl::StatusCode::kInternal, State::kDecode,
       ErrorReason::kNumeric},
      {Call::kStartDenoise, absl::StatusCode::kInvalidArgument,
       State::kDenoiseStart, ErrorReason::kInvalidArgument},
      {Call::kVaeDecode, absl::StatusCode::kInternal, State::kVaeDecode,
       ErrorReason::kNumeric},
  };
  for (const auto& c : cases) {
    fake::FakeScript script = SmallScript();
    script.faults = {
        {c.call, fake::FakeFault::Effect::kItem, 1, kDepthQuestion, c.code}};
    FakeModel model(script);
    LogObserver observer;
    Execution execution(&model, Spec(Reasoning(), model), &observer);
    EXPECT_EQ(DetailsOf(RunAlone(&model, &execution)).reason, c.reason);
    EXPECT_EQ(execution.state(), State::kFailed);
    EXPECT_EQ(execution.last_phase(), c.phase);
  }
}

// Its caller decides how often.
TEST(ExecutionEndTest, AMapThatFindsNoMemoryCanBeStartedAgain) {
  fake::FakeScript script = SmallScript();
  fake::FakeFault fault;
  fault.call = Call::kStartDenoise;
  fault.effect = fake::FakeFault::Effect::kOutOfMemory;
  fault.last = 1;
  script.faults = {fault};
  FakeModel model(script);
  LogObserver observer;
  Execution execution(&model, Spec(Reasoning(), model), &observer);
  EXPECT_EQ(RunAlone(&model, &execution).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(execution.state(), State::kDenoiseStart);
  EXPECT_OK(RunAlone(&model, &execution));
  EXPECT_EQ(execution.state(), State::kFinished);
}

}  // namespace
}  // namespace cooper::engine
