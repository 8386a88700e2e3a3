#include "base/check.h"

#include <gtest/gtest.h>

namespace cooper::base {
namespace {

TEST(CheckTest, EndsTheProcessAndNamesTheCondition) {
  const int apples = 2;
  EXPECT_DEATH(COOPER_CHECK(apples == 3), "check failed: apples == 3");
}

TEST(CheckTest, DoesNothingWhenTheConditionHolds) {
  const int apples = 2;
  COOPER_CHECK(apples == 2);
}

}  // namespace
}  // namespace cooper::base
