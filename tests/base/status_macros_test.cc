#include "base/status_macros.h"

#include <memory>
#include <string>

#include "absl/strings/cord.h"
#include "tests/testing/status_matchers.h"

namespace cooper::base {
namespace {

absl::Status Twice(const absl::Status& first, int* reached) {
  COOPER_RETURN_IF_ERROR(first);
  ++*reached;
  return absl::OkStatus();
}

absl::StatusOr<int> Length(absl::StatusOr<std::unique_ptr<std::string>> text) {
  COOPER_ASSIGN_OR_RETURN(const std::unique_ptr<std::string> value,
                          std::move(text));
  return static_cast<int>(value->size());
}

TEST(StatusMacrosTest, ReturnsTheErrorAtOnce) {
  int reached = 0;
  EXPECT_THAT(Twice(absl::AbortedError("x"), &reached),
              testing::StatusIs(absl::StatusCode::kAborted, "x"));
  EXPECT_EQ(reached, 0);
  EXPECT_OK(Twice(absl::OkStatus(), &reached));
  EXPECT_EQ(reached, 1);
}

TEST(StatusMacrosTest, AssignsAValueThatCanOnlyBeMoved) {
  ASSERT_OK_AND_ASSIGN(const int length,
                       Length(std::make_unique<std::string>("four")));
  EXPECT_EQ(length, 4);
  EXPECT_THAT(Length(absl::NotFoundError("gone")),
              testing::StatusIs(absl::StatusCode::kNotFound, "gone"));
}

TEST(StatusMacrosTest, AnnotateKeepsCodeAndPayloads) {
  absl::Status status = absl::InvalidArgumentError("bad");
  status.SetPayload("url", absl::Cord("payload"));
  const absl::Status annotated = Annotate(status, "file");
  EXPECT_THAT(annotated, testing::StatusIs(absl::StatusCode::kInvalidArgument,
                                           "file: bad"));
  EXPECT_EQ(annotated.GetPayload("url"), absl::Cord("payload"));
  EXPECT_OK(Annotate(absl::OkStatus(), "file"));
}

}  // namespace
}  // namespace cooper::base
