#include "server/engine/execution/decode_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <optional>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/server/metrics/scrape.h"

namespace cooper::engine {
namespace {

class DecodeBudgetTest : public ::testing::Test {
 protected:
  // Another thread that asks for `bytes`, and keeps them until it is destroyed.
  class Asker {
   public:
    Asker(DecodeBudget* budget, int64_t bytes)
        : thread_([this, budget, bytes] {
            const DecodeBudget::Lease lease = budget->Acquire(bytes);
            got_.Notify();
            done_.WaitForNotification();
          }) {}
    ~Asker() {
      done_.Notify();
      thread_.join();
    }
    bool got() const { return got_.HasBeenNotified(); }
    void AwaitGot() const { got_.WaitForNotification(); }

   private:
    absl::Notification got_;
    absl::Notification done_;
    std::thread thread_;
  };

  double InUse() {
    return testing::Scrape::Parse(
               prometheus::TextSerializer().Serialize(registry_.Collect()))
        .Sum("cooper_image_decode_bytes_in_use");
  }
  // Until `asker` stands in the line; it cannot say so itself.
  static void AwaitAsking() { absl::SleepFor(absl::Milliseconds(30)); }

  prometheus::Registry registry_;
  metrics::ServerMetrics metrics_{&registry_};
  DecodeBudget budget_{100, &metrics_};
};

TEST_F(DecodeBudgetTest, IsCountedFromBeforeDecodingUntilReleased) {
  EXPECT_EQ(InUse(), 0);
  {
    const DecodeBudget::Lease one = budget_.Acquire(60);
    EXPECT_EQ(InUse(), 60);
    const DecodeBudget::Lease other = budget_.Acquire(40);
    EXPECT_EQ(InUse(), 100);
  }
  EXPECT_EQ(InUse(), 0);
}

TEST_F(DecodeBudgetTest, WhatHasNoRoomWaits) {
  std::optional<DecodeBudget::Lease> first(budget_.Acquire(60));
  const Asker second(&budget_, 41);
  AwaitAsking();
  EXPECT_FALSE(second.got());
  EXPECT_EQ(InUse(), 60);
  first.reset();
  second.AwaitGot();
  EXPECT_EQ(InUse(), 41);
}

TEST_F(DecodeBudgetTest, ALargeImageIsNotOvertaken) {
  std::optional<DecodeBudget::Lease> first(budget_.Acquire(60));
  std::optional<Asker> large(std::in_place, &budget_, 90);
  AwaitAsking();
  const Asker small(&budget_, 30);  // would have room beside the first
  AwaitAsking();
  EXPECT_FALSE(large->got());
  EXPECT_FALSE(small.got());
  first.reset();
  large->AwaitGot();
  AwaitAsking();
  EXPECT_FALSE(small.got());
  large.reset();
  small.AwaitGot();
}

TEST_F(DecodeBudgetTest, AnImageBeyondTheBudgetGoesAlone) {
  std::optional<DecodeBudget::Lease> first(budget_.Acquire(1));
  std::optional<Asker> huge(std::in_place, &budget_, 5000);
  AwaitAsking();
  EXPECT_FALSE(huge->got());
  first.reset();
  huge->AwaitGot();
  EXPECT_EQ(InUse(), 5000);
  const Asker next(&budget_, 1);
  AwaitAsking();
  EXPECT_FALSE(next.got());
  huge.reset();
  next.AwaitGot();
}

}  // namespace
}  // namespace cooper::engine
