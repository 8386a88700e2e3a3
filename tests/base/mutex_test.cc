#include "base/mutex.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace cooper::base {
namespace {

TEST(MutexTest, OneThreadAtATime) {
  Mutex mutex;
  int count = 0;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 1000; ++j) {
        MutexLock lock(&mutex);
        ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 4000);
}

TEST(MutexTest, AwaitReturnsOnceTheConditionHolds) {
  Mutex mutex;
  bool ready = false;
  std::thread thread([&] {
    MutexLock lock(&mutex);
    ready = true;
  });
  {
    MutexLock lock(&mutex);
    mutex.Await(absl::Condition(&ready));
    EXPECT_TRUE(ready);
  }
  thread.join();
}

TEST(MutexTest, AwaitReturnsAtOnceWhereTheConditionHolds) {
  Mutex mutex;
  const bool ready = true;
  MutexLock lock(&mutex);
  EXPECT_TRUE(
      mutex.AwaitWithTimeout(absl::Condition(&ready), absl::ZeroDuration()));
}

TEST(MutexTest, ATimeoutEndsTheWait) {
  Mutex mutex;
  const bool never = false;
  MutexLock lock(&mutex);
  EXPECT_FALSE(
      mutex.AwaitWithTimeout(absl::Condition(&never), absl::Milliseconds(1)));
  EXPECT_FALSE(
      mutex.AwaitWithTimeout(absl::Condition(&never), -absl::Seconds(1)));
}

TEST(MutexTest, ThreadsThatAwaitWakeEachOther) {
  // Each waits for its number and then sets the next, without ever unlocking
  // but by waiting.
  Mutex mutex;
  int turn = 0;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&mutex, &turn, i] {
      MutexLock lock(&mutex);
      for (int round = 0; round < 50; ++round) {
        const int mine = round * 4 + i;
        const auto is_mine = [&turn, mine] { return turn == mine; };
        mutex.Await(absl::Condition(&is_mine));
        ++turn;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(turn, 200);
}

}  // namespace
}  // namespace cooper::base
