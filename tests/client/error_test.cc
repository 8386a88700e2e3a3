#include "cooper/client/error.h"

#include <gtest/gtest.h>

#include "tests/client/fake_server.h"

namespace cooper::client {
namespace {

absl::Status FromGrpc(const grpc::Status& status) {
  return MakeStatus(status.error_code(), status.error_message(),
                    status.error_details());
}

TEST(ErrorTest, ReadsReasonFieldAndDelay) {
  const Error error = Error::FromStatus(FromGrpc(
      DetailedStatus(grpc::StatusCode::INVALID_ARGUMENT, "truncated PNG",
                     "INVALID_IMAGE", "inputs[1].image", 1500)));
  EXPECT_EQ(error.code, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error.message, "truncated PNG");
  EXPECT_EQ(error.reason, "INVALID_IMAGE");
  EXPECT_EQ(error.domain, "cooper.v1");
  ASSERT_EQ(error.violations.size(), 1u);
  EXPECT_EQ(error.violations[0].field, "inputs[1].image");
  EXPECT_EQ(error.violations[0].description, "truncated PNG");
  EXPECT_EQ(error.retry_delay, absl::Milliseconds(1500));
}

TEST(ErrorTest, AStatusWithoutDetailsHasOnlyCodeAndMessage) {
  const Error error = Error::FromStatus(absl::NotFoundError("no model"));
  EXPECT_EQ(error.code, absl::StatusCode::kNotFound);
  EXPECT_EQ(error.message, "no model");
  EXPECT_EQ(error.reason, "");
  EXPECT_FALSE(error.retry_delay.has_value());
}

TEST(ErrorTest, DetailsThatDoNotParseAreNoDetails) {
  const Error error =
      Error::FromStatus(MakeStatus(8, "full", "\xff\xff not a proto"));
  EXPECT_EQ(error.code, absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(error.message, "full");
  EXPECT_EQ(error.reason, "");
}

TEST(ErrorTest, CodesOutsideTheListAreUnknown) {
  EXPECT_EQ(MakeStatus(99, "odd", "").code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(MakeStatus(-1, "odd", "").code(), absl::StatusCode::kUnknown);
  EXPECT_TRUE(MakeStatus(0, "", "").ok());
}

}  // namespace
}  // namespace cooper::client
