#include "server/engine/schedule/start_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "server/engine/schedule/fair_share.h"

namespace cooper::engine {
namespace {

constexpr Priority kNormal = Priority::kNormal;
constexpr Priority kLow = Priority::kLow;

StartCandidate Candidate(int index, Priority priority, int waited_s,
                         int lead_s = 0) {
  return {index, priority, absl::Seconds(waited_s), absl::Seconds(lead_s)};
}

TEST(StartOrderTest, Table) {
  const struct {
    const char* what;
    std::vector<StartCandidate> candidates;
    int next;
    int normal_since_low = 0;
  } cases[] = {
      {"one", {Candidate(4, kLow, 0)}, 4},
      {"who waits longest",
       {Candidate(0, kNormal, 1), Candidate(1, kNormal, 3),
        Candidate(2, kNormal, 2)},
       1},
      {"the first of equals",
       {Candidate(0, kNormal, 1), Candidate(1, kNormal, 1)},
       0},
      {"normal before low",
       {Candidate(0, kLow, 299), Candidate(1, kNormal, 0)},
       1},
      {"low that waited a minute after eight normal ones",
       {Candidate(0, kLow, 60), Candidate(1, kNormal, 90)},
       0,
       8},
      {"not after seven",
       {Candidate(0, kLow, 600), Candidate(1, kNormal, 0)},
       1,
       7},
      {"nor before that minute",
       {Candidate(0, kLow, 59), Candidate(1, kNormal, 0)},
       1,
       8},
      {"low where nothing else waits", {Candidate(0, kLow, 0)}, 0},
      {"whose client had less",
       {Candidate(0, kNormal, 50, 10), Candidate(1, kNormal, 0, 0)},
       1},
      {"ten seconds outweigh one of lead",
       {Candidate(0, kNormal, 101, 10), Candidate(1, kNormal, 0, 0)},
       0},
      {"priority before share",
       {Candidate(0, kLow, 0, 0), Candidate(1, kNormal, 0, 500)},
       1},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(NextToStart(c.candidates, c.normal_since_low), c.next) << c.what;
  }
  EXPECT_EQ(NextToStart({}, 0), std::nullopt);
}

TEST(FairShareTest, TellsWhatAClientHadBeyondTheOthers) {
  FairShare share;
  share.Open("a");
  share.Open("b");
  share.Charge("a", absl::Seconds(5));
  share.Charge("b", absl::Seconds(2));
  EXPECT_EQ(share.Lead("a"), absl::Seconds(3));
  EXPECT_EQ(share.Lead("b"), absl::ZeroDuration());
  EXPECT_EQ(share.Lead("nobody"), absl::ZeroDuration());
}

TEST(FairShareTest, ANewClientBeginsLevelWithTheLeastServed) {
  FairShare share;
  share.Open("a");
  share.Open("b");
  share.Charge("a", absl::Seconds(50));
  share.Charge("b", absl::Seconds(20));
  share.Open("c");
  EXPECT_EQ(share.Lead("c"), absl::ZeroDuration());
  EXPECT_EQ(share.Lead("a"), absl::Seconds(30));
}

TEST(FairShareTest, LeavingForAMomentForgetsNothing) {
  FairShare share;
  share.Open("a");
  share.Open("b");
  share.Charge("a", absl::Seconds(50));
  share.Close("a");
  share.Open("a");
  EXPECT_EQ(share.Lead("a"), absl::Seconds(50));
}

TEST(FairShareTest, BeingAwaySavesNothingUp) {
  FairShare share;
  share.Open("a");
  share.Open("b");
  share.Charge("a", absl::Seconds(10));
  share.Charge("b", absl::Seconds(1));
  share.Close("b");
  share.Charge("a", absl::Seconds(90));
  share.Open("b");
  EXPECT_EQ(share.Lead("a"), absl::ZeroDuration());
}

TEST(FairShareTest, RemembersNobodyForLong) {
  FairShare share;
  share.Open("stays");
  for (int i = 0; i < 3 * FairShare::kMaxAway; ++i) {
    const std::string client = "client" + std::to_string(i);
    share.Open(client);
    share.Charge(client, absl::Seconds(1));
    share.Close(client);
  }
  EXPECT_LE(share.clients(), FairShare::kMaxAway + 1);
  share.Close("stays");
  EXPECT_EQ(share.clients(), 0);
}

}  // namespace
}  // namespace cooper::engine
