#include "server/engine/job_state.h"

#include <gtest/gtest.h>

namespace cooper::engine {
namespace {

TEST(JobCountsTest, TheLoadFollowsTheStates) {
  JobCounts counts;
  counts.Add(JobState::kWaiting);
  counts.Add(JobState::kWaiting);
  EXPECT_EQ(counts.load().queued, 2);
  counts.Move(JobState::kWaiting, JobState::kPreparing);
  counts.Move(JobState::kPreparing, JobState::kReady);
  EXPECT_EQ(counts.load().queued, 2);
  EXPECT_EQ(counts.of(JobState::kReady), 1);
  counts.Move(JobState::kReady, JobState::kRunning);
  EXPECT_EQ(counts.load().queued, 1);
  EXPECT_EQ(counts.load().running, 1);
  counts.Move(JobState::kRunning, JobState::kClosing);
  EXPECT_EQ(counts.load().running, 0);
  counts.Remove(JobState::kClosing);
  counts.Remove(JobState::kWaiting);
  EXPECT_EQ(counts.load().queued, 0);
}

}  // namespace
}  // namespace cooper::engine
