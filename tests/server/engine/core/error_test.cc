#include "server/engine/core/error.h"

#include <string>

#include "absl/strings/cord.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using absl::StatusCode;

TEST(ErrorTest, EveryReasonHasItsCodeAndName) {
  const struct {
    ErrorReason reason;
    StatusCode code;
    const char* name;
  } cases[] = {
      {ErrorReason::kInvalidArgument, StatusCode::kInvalidArgument,
       "INVALID_ARGUMENT"},
      {ErrorReason::kInvalidImage, StatusCode::kInvalidArgument,
       "INVALID_IMAGE"},
      {ErrorReason::kModelNotFound, StatusCode::kNotFound, "MODEL_NOT_FOUND"},
      {ErrorReason::kSessionNotFound, StatusCode::kNotFound,
       "SESSION_NOT_FOUND"},
      {ErrorReason::kSessionBusy, StatusCode::kFailedPrecondition,
       "SESSION_BUSY"},
      {ErrorReason::kUnsupported, StatusCode::kFailedPrecondition,
       "UNSUPPORTED"},
      {ErrorReason::kTooManyPositions, StatusCode::kInvalidArgument,
       "CONTEXT_TOO_LARGE"},
      {ErrorReason::kQueueFull, StatusCode::kResourceExhausted, "QUEUE_FULL"},
      {ErrorReason::kClientLimit, StatusCode::kResourceExhausted,
       "CLIENT_LIMIT"},
      {ErrorReason::kQueueTimeout, StatusCode::kResourceExhausted,
       "QUEUE_TIMEOUT"},
      {ErrorReason::kMemoryPressure, StatusCode::kResourceExhausted,
       "MEMORY_PRESSURE"},
      {ErrorReason::kContextTooLarge, StatusCode::kResourceExhausted,
       "CONTEXT_TOO_LARGE"},
      {ErrorReason::kGpuMemory, StatusCode::kResourceExhausted, "GPU_MEMORY"},
      {ErrorReason::kLoading, StatusCode::kUnavailable, "LOADING"},
      {ErrorReason::kDraining, StatusCode::kUnavailable, "DRAINING"},
      {ErrorReason::kEngineFailed, StatusCode::kUnavailable, "ENGINE_FAILED"},
      {ErrorReason::kDeadline, StatusCode::kDeadlineExceeded, "DEADLINE"},
      {ErrorReason::kDeadlineTooShort, StatusCode::kDeadlineExceeded,
       "DEADLINE_TOO_SHORT"},
      {ErrorReason::kCancelled, StatusCode::kCancelled, "CANCELLED"},
      {ErrorReason::kSlowReader, StatusCode::kCancelled, "SLOW_READER"},
      {ErrorReason::kEngine, StatusCode::kInternal, "ENGINE"},
      {ErrorReason::kNumeric, StatusCode::kInternal, "NUMERIC"},
      {ErrorReason::kEncode, StatusCode::kInternal, "ENCODE"},
  };
  for (const auto& c : cases) {
    ErrorDetails details;
    details.reason = c.reason;
    const absl::Status status = MakeError(details, "words");
    EXPECT_THAT(status, testing::StatusIs(c.code, "words"));
    EXPECT_EQ(DetailsOf(status).reason, c.reason);
    EXPECT_STREQ(ReasonName(c.reason), c.name);
  }
}

TEST(ErrorTest, DetailsSurviveTheStatus) {
  ErrorDetails details;
  details.reason = ErrorReason::kQueueFull;
  details.field = "inputs[0].image; odd";
  details.retry_after = absl::Milliseconds(1500);
  details.phase = Phase::kDenoise;
  const ErrorDetails back = DetailsOf(MakeError(details, "full"));
  EXPECT_EQ(back.reason, details.reason);
  EXPECT_EQ(back.field, details.field);
  EXPECT_EQ(back.retry_after, details.retry_after);
  EXPECT_EQ(back.phase, details.phase);
}

TEST(ErrorTest, InvalidFieldNamesTheField) {
  const absl::Status status = InvalidField("seed", "must not be odd");
  EXPECT_THAT(status, testing::StatusIs(StatusCode::kInvalidArgument,
                                        "seed: must not be odd"));
  EXPECT_EQ(DetailsOf(status).field, "seed");
  EXPECT_FALSE(DetailsOf(status).phase.has_value());
}

TEST(ErrorTest, AForeignStatusGetsTheReasonOfItsCode) {
  EXPECT_EQ(DetailsOf(absl::CancelledError("x")).reason,
            ErrorReason::kCancelled);
  EXPECT_EQ(DetailsOf(absl::UnknownError("x")).reason, ErrorReason::kEngine);
  EXPECT_EQ(DetailsOf(absl::ResourceExhaustedError("x")).reason,
            ErrorReason::kMemoryPressure);
}

TEST(ErrorTest, APhaseCanBeAddedToAnyError) {
  absl::Status foreign = absl::InternalError("x");
  foreign.SetPayload("other", absl::Cord("kept"));
  const absl::Status status = WithPhase(foreign, Phase::kPrefill);
  EXPECT_EQ(DetailsOf(status).phase, Phase::kPrefill);
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kEngine);
  EXPECT_EQ(status.GetPayload("other"), absl::Cord("kept"));
  EXPECT_OK(WithPhase(absl::OkStatus(), Phase::kQueue));
}

}  // namespace
}  // namespace cooper::engine
