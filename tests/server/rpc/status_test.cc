#include "server/rpc/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <optional>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/engine/core/error.h"
#include "tests/server/metrics/scrape.h"

namespace cooper::rpc {
namespace {

using engine::CancelCause;
using engine::ErrorReason;
using engine::Phase;

struct Row {
  ErrorReason reason;
  grpc::StatusCode code;
  const char* name;
  bool retry;
  // The counter that moves, and its label.
  const char* counter;
  cooper::testing::Scrape::Labels labels;
};

const Row kRows[] = {
    {ErrorReason::kInvalidArgument,
     grpc::StatusCode::INVALID_ARGUMENT,
     "INVALID_ARGUMENT",
     false,
     "rejections",
     {{"reason", "invalid_argument"}}},
    {ErrorReason::kInvalidImage,
     grpc::StatusCode::INVALID_ARGUMENT,
     "INVALID_IMAGE",
     false,
     "rejections",
     {{"reason", "invalid_argument"}}},
    {ErrorReason::kModelNotFound,
     grpc::StatusCode::NOT_FOUND,
     "MODEL_NOT_FOUND",
     false,
     "rejections",
     {{"reason", "not_found"}}},
    {ErrorReason::kSessionNotFound,
     grpc::StatusCode::NOT_FOUND,
     "SESSION_NOT_FOUND",
     false,
     "rejections",
     {{"reason", "not_found"}}},
    {ErrorReason::kSessionBusy,
     grpc::StatusCode::FAILED_PRECONDITION,
     "SESSION_BUSY",
     false,
     "rejections",
     {{"reason", "session_busy"}}},
    {ErrorReason::kUnsupported,
     grpc::StatusCode::FAILED_PRECONDITION,
     "UNSUPPORTED",
     false,
     "rejections",
     {{"reason", "unsupported"}}},
    {ErrorReason::kQueueFull,
     grpc::StatusCode::RESOURCE_EXHAUSTED,
     "QUEUE_FULL",
     true,
     "rejections",
     {{"reason", "queue_full"}}},
    {ErrorReason::kClientLimit,
     grpc::StatusCode::RESOURCE_EXHAUSTED,
     "CLIENT_LIMIT",
     true,
     "rejections",
     {{"reason", "client_limit"}}},
    {ErrorReason::kQueueTimeout,
     grpc::StatusCode::RESOURCE_EXHAUSTED,
     "QUEUE_TIMEOUT",
     true,
     "rejections",
     {{"reason", "queue_timeout"}}},
    {ErrorReason::kMemoryPressure,
     grpc::StatusCode::RESOURCE_EXHAUSTED,
     "MEMORY_PRESSURE",
     true,
     "rejections",
     {{"reason", "memory_pressure"}}},
    {ErrorReason::kTooManyPositions,
     grpc::StatusCode::INVALID_ARGUMENT,
     "CONTEXT_TOO_LARGE",
     false,
     "rejections",
     {{"reason", "invalid_argument"}}},
    {ErrorReason::kContextTooLarge,
     grpc::StatusCode::RESOURCE_EXHAUSTED,
     "CONTEXT_TOO_LARGE",
     false,
     "rejections",
     {{"reason", "memory_pressure"}}},
    {ErrorReason::kGpuMemory,
     grpc::StatusCode::RESOURCE_EXHAUSTED,
     "GPU_MEMORY",
     true,
     "errors",
     {{"reason", "gpu_memory"}}},
    {ErrorReason::kLoading,
     grpc::StatusCode::UNAVAILABLE,
     "LOADING",
     true,
     "rejections",
     {{"reason", "loading"}}},
    {ErrorReason::kDraining,
     grpc::StatusCode::UNAVAILABLE,
     "DRAINING",
     true,
     "rejections",
     {{"reason", "draining"}}},
    {ErrorReason::kEngineFailed,
     grpc::StatusCode::UNAVAILABLE,
     "ENGINE_FAILED",
     true,
     "errors",
     {{"reason", "engine"}}},
    {ErrorReason::kDeadline,
     grpc::StatusCode::DEADLINE_EXCEEDED,
     "DEADLINE",
     false,
     "cancellations",
     {{"cause", "deadline"}, {"phase", "queue"}}},
    {ErrorReason::kDeadlineTooShort,
     grpc::StatusCode::DEADLINE_EXCEEDED,
     "DEADLINE_TOO_SHORT",
     false,
     "cancellations",
     {{"cause", "deadline"}, {"phase", "queue"}}},
    {ErrorReason::kCancelled,
     grpc::StatusCode::CANCELLED,
     "CANCELLED",
     false,
     "cancellations",
     {{"cause", "client"}, {"phase", "queue"}}},
    {ErrorReason::kSlowReader,
     grpc::StatusCode::CANCELLED,
     "SLOW_READER",
     false,
     "cancellations",
     {{"cause", "stall"}, {"phase", "queue"}}},
    {ErrorReason::kEngine,
     grpc::StatusCode::INTERNAL,
     "ENGINE",
     false,
     "errors",
     {{"reason", "engine"}}},
    {ErrorReason::kNumeric,
     grpc::StatusCode::INTERNAL,
     "NUMERIC",
     false,
     "errors",
     {{"reason", "numeric"}}},
    {ErrorReason::kEncode,
     grpc::StatusCode::INTERNAL,
     "ENCODE",
     false,
     "errors",
     {{"reason", "encode"}}},
};

absl::Status Make(ErrorReason reason) {
  engine::ErrorDetails details;
  details.reason = reason;
  return engine::MakeError(details, "words");
}

template <typename Detail>
std::optional<Detail> Find(const grpc::Status& status) {
  google::rpc::Status wire;
  EXPECT_TRUE(wire.ParseFromString(status.error_details()));
  EXPECT_EQ(wire.code(), status.error_code());
  EXPECT_EQ(wire.message(), status.error_message());
  for (const auto& any : wire.details()) {
    Detail detail;
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

class StatusTest : public ::testing::Test {
 protected:
  cooper::testing::Scrape Collect() {
    return cooper::testing::Scrape::Parse(
        prometheus::TextSerializer().Serialize(registry_.Collect()));
  }
  double AllCounts() {
    const auto scrape = Collect();
    return scrape.Sum("cooper_rejections_total") +
           scrape.Sum("cooper_cancellations_total") +
           scrape.Sum("cooper_errors_total");
  }

  prometheus::Registry registry_;
  metrics::ServerMetrics metrics_{&registry_};
};

TEST_F(StatusTest, EveryReasonHasItsCodeDetailsAndCounter) {
  double counted = 0;
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    const absl::Status status = Make(row.reason);
    const grpc::Status wire = ToGrpcStatus(status);
    EXPECT_EQ(wire.error_code(), row.code);
    EXPECT_EQ(wire.error_message(), "words");
    const auto info = Find<google::rpc::ErrorInfo>(wire);
    ASSERT_TRUE(info.has_value());
    EXPECT_EQ(info->reason(), row.name);
    EXPECT_EQ(info->domain(), "cooper.v1");
    EXPECT_EQ(Find<google::rpc::RetryInfo>(wire).has_value(), row.retry);
    EXPECT_EQ(RetryPushbackMs(status).has_value(), row.retry);
    EXPECT_FALSE(Find<google::rpc::BadRequest>(wire).has_value());

    const std::string counter = "cooper_" + std::string(row.counter) + "_total";
    auto labels = row.labels;
    labels["method"] = "Reason";
    const double before = Collect().Sum(counter, labels);
    CountEnd(status, engine::Method::kReason, &metrics_);
    EXPECT_EQ(Collect().Sum(counter, labels), before + 1);
    EXPECT_EQ(AllCounts(), ++counted);
  }
}

TEST_F(StatusTest, OkHasNoDetailsAndMovesNoCounter) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_EQ(ToGrpcStatus(absl::OkStatus()).error_details(), "");
  EXPECT_FALSE(RetryPushbackMs(absl::OkStatus()).has_value());
  CountEnd(absl::OkStatus(), engine::Method::kReason, &metrics_);
  EXPECT_EQ(AllCounts(), 0);
}

TEST_F(StatusTest, NoCodeEscapesTheClosedSet) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "x");
    const grpc::Status wire = ToGrpcStatus(status);
    EXPECT_NE(wire.error_code(), grpc::StatusCode::UNKNOWN);
    EXPECT_NE(wire.error_code(), grpc::StatusCode::OK);
    EXPECT_TRUE(Find<google::rpc::ErrorInfo>(wire).has_value());
    CountEnd(status, engine::Method::kReason, &metrics_);
    EXPECT_EQ(AllCounts(), code);
  }
  EXPECT_EQ(ToGrpcStatus(absl::UnknownError("x")).error_code(),
            grpc::StatusCode::INTERNAL);
  EXPECT_EQ(ToGrpcStatus(absl::DataLossError("x")).error_code(),
            grpc::StatusCode::INTERNAL);
}

TEST_F(StatusTest, OwnCodesHaveOwnReasons) {
  const grpc::Status wire = ToGrpcStatus(absl::UnauthenticatedError("no"));
  EXPECT_EQ(wire.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Find<google::rpc::ErrorInfo>(wire)->reason(), "UNAUTHENTICATED");
  EXPECT_EQ(
      Find<google::rpc::ErrorInfo>(ToGrpcStatus(absl::UnimplementedError("no")))
          ->reason(),
      "UNIMPLEMENTED");
  CountEnd(absl::UnauthenticatedError("no"), engine::Method::kReason,
           &metrics_);
  CountEnd(absl::UnimplementedError("no"), engine::Method::kOther, &metrics_);
  EXPECT_EQ(
      Collect().Sum("cooper_rejections_total", {{"reason", "unauthenticated"}}),
      1);
  EXPECT_EQ(
      Collect().Sum("cooper_rejections_total", {{"reason", "unimplemented"}}),
      1);
}

TEST_F(StatusTest, BadRequestNamesTheFieldOnce) {
  const grpc::Status wire = ToGrpcStatus(
      engine::InvalidField("flow.num_timesteps", "must be in [2, 1000]"));
  EXPECT_EQ(wire.error_message(), "flow.num_timesteps: must be in [2, 1000]");
  const auto bad_request = Find<google::rpc::BadRequest>(wire);
  ASSERT_TRUE(bad_request.has_value());
  ASSERT_EQ(bad_request->field_violations_size(), 1);
  EXPECT_EQ(bad_request->field_violations(0).field(), "flow.num_timesteps");
  EXPECT_EQ(bad_request->field_violations(0).description(),
            "must be in [2, 1000]");
}

TEST_F(StatusTest, RetryDelayIsTheEnginesWhereItSaysOne) {
  engine::ErrorDetails details;
  details.reason = ErrorReason::kQueueFull;
  details.retry_after = absl::Milliseconds(2500);
  const absl::Status status = engine::MakeError(details, "full");
  EXPECT_EQ(RetryPushbackMs(status), 2500);
  const auto retry = Find<google::rpc::RetryInfo>(ToGrpcStatus(status));
  EXPECT_EQ(retry->retry_delay().seconds(), 2);
  EXPECT_EQ(retry->retry_delay().nanos(), 500000000);
}

TEST_F(StatusTest, MessagesArePrintableAndBounded) {
  const std::string message =
      ToGrpcStatus(absl::InternalError("a\nb\xff" + std::string(5000, 'c')))
          .error_message();
  EXPECT_LE(message.size(), 1003u);
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_EQ(message.find('\xff'), std::string::npos);
}

TEST_F(StatusTest, DrainingWorkUnderWayCountsAsShutdown) {
  const absl::Status refused = Make(ErrorReason::kDraining);
  const absl::Status ended = engine::WithPhase(refused, Phase::kDenoise);
  CountEnd(refused, engine::Method::kSegment, &metrics_);
  CountEnd(ended, engine::Method::kSegment, &metrics_);
  EXPECT_EQ(Collect().Sum("cooper_rejections_total", {{"reason", "draining"}}),
            1);
  EXPECT_EQ(Collect().Sum("cooper_cancellations_total",
                          {{"cause", "shutdown"}, {"phase", "denoise"}}),
            1);
}

TEST_F(StatusTest, CancelledRequestEndsByItsCauseInItsPhase) {
  const absl::Status engine_said =
      engine::WithPhase(absl::CancelledError("stop"), Phase::kDecode);
  const absl::Status end = EndOfCancelled(engine_said, CancelCause::kDeadline);
  EXPECT_EQ(ToGrpcStatus(end).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(engine::DetailsOf(end).phase, Phase::kDecode);
  EXPECT_STREQ(ReasonOf(EndOfCancelled(engine_said, CancelCause::kStall)),
               "SLOW_READER");
  EXPECT_STREQ(ReasonOf(EndOfCancelled(engine_said, CancelCause::kClient)),
               "CANCELLED");
  EXPECT_STREQ(ReasonOf(EndOfCancelled(engine_said, CancelCause::kShutdown)),
               "DRAINING");
}

TEST_F(StatusTest, AFailureIsNotHiddenByACancel) {
  const absl::Status failed = Make(ErrorReason::kNumeric);
  EXPECT_STREQ(ReasonOf(EndOfCancelled(failed, CancelCause::kClient)),
               "NUMERIC");
}

}  // namespace
}  // namespace cooper::rpc
