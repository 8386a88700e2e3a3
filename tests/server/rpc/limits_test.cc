#include "server/rpc/limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace cooper::rpc {
namespace {

using cooper::testing::StatusIs;
using ::testing::HasSubstr;

TEST(RpcLimitsTest, DefaultsAreLegalAndEdgesAreChecked) {
  EXPECT_OK(RpcLimits().Validate());
  RpcLimits limits;
  limits.max_inputs = 1025;
  EXPECT_THAT(limits.Validate(), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("max_inputs")));
  limits = RpcLimits();
  limits.max_images = 65;
  EXPECT_THAT(limits.Validate(), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("max_images")));
  limits = RpcLimits();
  limits.max_message_bytes = 100;
  EXPECT_THAT(limits.Validate(), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("max_message_bytes")));
  limits = RpcLimits();
  limits.max_think_tokens = 1;
  EXPECT_THAT(limits.Validate(), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("max_think_tokens")));
}

}  // namespace
}  // namespace cooper::rpc
