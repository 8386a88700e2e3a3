#ifndef COOPER_TESTS_TESTING_STATUS_MATCHERS_H_
#define COOPER_TESTS_TESTING_STATUS_MATCHERS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cooper::testing {

inline absl::Status StatusOf(const absl::Status& status) { return status; }
template <typename T>
absl::Status StatusOf(const absl::StatusOr<T>& value) {
  return value.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

// The code, and a matcher of the message.
MATCHER_P2(StatusIs, code, message_matcher, "") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code &&
         ::testing::Matches(message_matcher)(
             std::string(StatusOf(arg).message()));
}

}  // namespace cooper::testing

#define EXPECT_OK(expr) EXPECT_THAT((expr), ::cooper::testing::IsOk())
#define ASSERT_OK(expr) ASSERT_THAT((expr), ::cooper::testing::IsOk())
// `lhs` may be a declaration, so it cannot stand in parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define ASSERT_OK_AND_ASSIGN(lhs, expr) \
  ASSERT_OK_AND_ASSIGN_IMPL_(COOPER_TEST_CONCAT_(value_, __LINE__), lhs, expr)
#define ASSERT_OK_AND_ASSIGN_IMPL_(name, lhs, expr) \
  auto name = (expr);                               \
  ASSERT_THAT(name, ::cooper::testing::IsOk());     \
  lhs = *std::move(name)
// NOLINTEND(bugprone-macro-parentheses)
#define COOPER_TEST_CONCAT_(a, b) COOPER_TEST_CONCAT_IMPL_(a, b)
#define COOPER_TEST_CONCAT_IMPL_(a, b) a##b

#endif  // COOPER_TESTS_TESTING_STATUS_MATCHERS_H_
