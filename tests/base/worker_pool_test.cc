#include "base/worker_pool.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/synchronization/barrier.h"
#include "absl/synchronization/notification.h"

namespace cooper::base {
namespace {

TEST(WorkerPoolTest, RunsEveryQueuedJobBeforeItIsGone) {
  std::atomic<int> ran{0};
  {
    WorkerPool pool("test", 3);
    for (int i = 0; i < 100; ++i) pool.Post([&ran] { ++ran; });
  }
  EXPECT_EQ(ran, 100);
}

TEST(WorkerPoolTest, OneThreadKeepsTheOrder) {
  std::vector<int> order;
  {
    WorkerPool pool("test", 1);
    for (int i = 0; i < 5; ++i) pool.Post([&order, i] { order.push_back(i); });
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(WorkerPoolTest, ThreadsWorkAtTheSameTime) {
  // Nobody gets past the barrier unless two jobs are in it at once.
  auto* barrier = new absl::Barrier(2);
  WorkerPool pool("test", 2);
  for (int i = 0; i < 2; ++i) {
    pool.Post([barrier] {
      if (barrier->Block()) delete barrier;
    });
  }
}

TEST(WorkerPoolTest, ThreadsBearTheName) {
  std::string name(16, '\0');
  {
    WorkerPool pool("prepare", 1);
    pool.Post([&name] {
      pthread_getname_np(pthread_self(), name.data(), name.size());
    });
  }
  EXPECT_STREQ(name.c_str(), "prepare");
}

TEST(WorkerPoolTest, AJobMayPostAnother) {
  absl::Notification done;
  WorkerPool pool("test", 1);
  pool.Post([&] { pool.Post([&done] { done.Notify(); }); });
  done.WaitForNotification();
}

TEST(WorkerPoolTest, AnExceptionGoesToTheHandlerOfItsJob) {
  std::string what;
  bool other_ran = false;
  {
    WorkerPool pool("test", 1);
    pool.Post([] { throw std::runtime_error("broke"); },
              [&what](const std::exception& error) { what = error.what(); });
    pool.Post([&other_ran] { other_ran = true; });
  }
  EXPECT_EQ(what, "broke");
  EXPECT_TRUE(other_ran);
}

TEST(WorkerPoolDeathTest, AnExceptionWithoutAHandlerEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        WorkerPool pool("test", 1);
        pool.Post([] { throw std::runtime_error("broke"); });
      },
      "broke");
}

}  // namespace
}  // namespace cooper::base
