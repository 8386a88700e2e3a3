#include "base/log_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cooper::base {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr absl::Time kStart = absl::UnixEpoch();

int Admitted(LogSampler* sampler, const char* kind, absl::Time at, int lines) {
  int admitted = 0;
  for (int i = 0; i < lines; ++i) admitted += sampler->Admit(kind, at) ? 1 : 0;
  return admitted;
}

TEST(LogSamplerTest, OfEachKindTheFirstLinesOfASecondPass) {
  LogSampler sampler(10);
  EXPECT_EQ(Admitted(&sampler, "a", kStart, 5000), 10);
  EXPECT_EQ(Admitted(&sampler, "b", kStart, 3), 3);
  EXPECT_EQ(Admitted(&sampler, "a", kStart + absl::Milliseconds(999), 1), 0);
  EXPECT_EQ(Admitted(&sampler, "a", kStart + absl::Seconds(1), 20), 10);
}

TEST(LogSamplerTest, WhatWasLeftOutIsToldOnceItsSecondIsOver) {
  LogSampler sampler(10);
  Admitted(&sampler, "a", kStart, 5000);
  Admitted(&sampler, "b", kStart, 10);
  EXPECT_THAT(sampler.TakeLeftOut(kStart + absl::Milliseconds(500)), IsEmpty());
  EXPECT_THAT(sampler.TakeLeftOut(kStart + absl::Seconds(1)),
              ElementsAre(Pair("a", 4990)));
  EXPECT_THAT(sampler.TakeLeftOut(kStart + absl::Seconds(2)), IsEmpty());
}

TEST(LogSamplerTest, AClockThatGoesBackSilencesNothing) {
  LogSampler sampler(10);
  Admitted(&sampler, "a", kStart, 20);
  EXPECT_EQ(Admitted(&sampler, "a", kStart - absl::Hours(1), 1), 1);
}

}  // namespace
}  // namespace cooper::base
