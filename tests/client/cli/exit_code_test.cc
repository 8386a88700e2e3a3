#include "client/cli/exit_code.h"

#include <gtest/gtest.h>

namespace cooper::client {
namespace {

using absl::StatusCode;

TEST(ExitCodeTest, BeforeAnyEventTheCodeTellsRefusedFromUnreachable) {
  const auto code = [](StatusCode status) {
    return ExitCodeOf(absl::Status(status, ""), /*any_event=*/false);
  };
  EXPECT_EQ(code(StatusCode::kUnavailable), kUnreachable);
  for (const StatusCode refused :
       {StatusCode::kInvalidArgument, StatusCode::kNotFound,
        StatusCode::kFailedPrecondition, StatusCode::kResourceExhausted,
        StatusCode::kUnauthenticated, StatusCode::kPermissionDenied,
        StatusCode::kUnimplemented}) {
    EXPECT_EQ(code(refused), kRefused) << static_cast<int>(refused);
  }
  for (const StatusCode failed :
       {StatusCode::kInternal, StatusCode::kDeadlineExceeded,
        StatusCode::kCancelled, StatusCode::kDataLoss}) {
    EXPECT_EQ(code(failed), kFailed) << static_cast<int>(failed);
  }
}

TEST(ExitCodeTest, AfterAnEventEveryErrorIsMidway) {
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError(""), true), kFailed);
  EXPECT_EQ(ExitCodeOf(absl::ResourceExhaustedError(""), true), kFailed);
}

}  // namespace
}  // namespace cooper::client
