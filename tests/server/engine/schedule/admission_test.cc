#include "server/engine/schedule/admission.h"

#include <set>
#include <string>

#include "server/engine/core/error.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::Time At(double seconds) {
  return absl::UnixEpoch() + absl::Seconds(seconds);
}

absl::Status Admit(Admission& admission, int64_t bytes,
                   const std::string& client = "", bool follows = false) {
  Arrival arrival;
  arrival.entry.client = client;
  arrival.bytes = bytes;
  arrival.follows = follows;
  return admission.Admit(arrival, At(0));
}

TEST(AdmissionTest, BoundsTheNumberOfOpenRequests) {
  Admission admission({.max_open = 2, .max_bytes = 100});
  EXPECT_OK(Admit(admission, 1));
  EXPECT_OK(Admit(admission, 1));
  const absl::Status full = Admit(admission, 1);
  EXPECT_THAT(full, testing::StatusIs(StatusCode::kResourceExhausted,
                                      HasSubstr("2 requests")));
  EXPECT_EQ(DetailsOf(full).reason, ErrorReason::kQueueFull);
  admission.Close();
  EXPECT_OK(Admit(admission, 1));
  EXPECT_EQ(admission.open(), 2);
}

TEST(AdmissionTest, BoundsTheBytesThatAreNotDecodedYet) {
  Admission admission({.max_open = 9, .max_bytes = 100});
  EXPECT_OK(Admit(admission, 60));
  EXPECT_THAT(
      Admit(admission, 60),
      testing::StatusIs(StatusCode::kResourceExhausted, HasSubstr("60 bytes")));
  admission.FreeBytes(60);
  EXPECT_OK(Admit(admission, 60));
}

TEST(AdmissionTest, ALargeRequestGoesWhereNothingElseWaits) {
  Admission admission({.max_open = 9, .max_bytes = 100});
  EXPECT_OK(Admit(admission, 500));
  EXPECT_FALSE(Admit(admission, 1).ok());
}

TEST(AdmissionTest, RefusesWhileDrainingAndAfterAFailure) {
  Admission admission({.max_open = 3, .max_bytes = 100});
  admission.Drain();
  EXPECT_EQ(DetailsOf(Admit(admission, 0)).reason, ErrorReason::kDraining);
  EXPECT_FALSE(admission.failed());
  admission.Fail();
  EXPECT_EQ(DetailsOf(Admit(admission, 0)).reason, ErrorReason::kEngineFailed);
  EXPECT_TRUE(admission.failed());
}

TEST(AdmissionTest, WaitsUntilNothingIsOpen) {
  Admission admission({.max_open = 3, .max_bytes = 100});
  EXPECT_TRUE(admission.WaitUntilIdle(absl::ZeroDuration()));
  ASSERT_OK(Admit(admission, 0));
  EXPECT_FALSE(admission.WaitUntilIdle(absl::ZeroDuration()));
  admission.Close();
  EXPECT_TRUE(admission.WaitUntilIdle(absl::ZeroDuration()));
}

TEST(AdmissionTest, BoundsTheRequestsOfOneClient) {
  Admission admission({.max_open = 9, .max_bytes = 100, .max_per_client = 2});
  EXPECT_OK(Admit(admission, 1, "a"));
  EXPECT_OK(Admit(admission, 1, "a"));
  const absl::Status full = Admit(admission, 1, "a");
  EXPECT_EQ(full.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(full).reason, ErrorReason::kClientLimit);
  EXPECT_GE(DetailsOf(full).retry_after, absl::Seconds(0.75));
  EXPECT_LE(DetailsOf(full).retry_after, absl::Seconds(1.25));
  EXPECT_OK(Admit(admission, 1, "b"));
  for (int i = 0; i < 3; ++i) EXPECT_OK(Admit(admission, 1));
  admission.Close("a");
  EXPECT_OK(Admit(admission, 1, "a"));
}

TEST(AdmissionTest, ATurnThatFollowsAnotherTakesOverItsPlace) {
  Admission admission({1, 100, 1});
  ASSERT_TRUE(Admit(admission, 10, "me").ok());
  EXPECT_FALSE(Admit(admission, 10, "me").ok());
  EXPECT_TRUE(Admit(admission, 10, "me", /*follows=*/true).ok());
  EXPECT_FALSE(Admit(admission, 200, "me", /*follows=*/true).ok());
  admission.Drain();
  EXPECT_FALSE(Admit(admission, 10, "me", /*follows=*/true).ok());
}

// One place; text requests run for a second each.
class AdmissionWaitTest : public ::testing::Test {
 protected:
  static Arrival From(const std::string& client, double deadline = 1e6,
                      Priority priority = Priority::kNormal) {
    Arrival arrival;
    arrival.entry.client = client;
    arrival.entry.priority = priority;
    arrival.deadline = At(deadline);
    return arrival;
  }
  // Runs a request to its end, so that the time is known.
  static void Learn(Admission& admission) {
    ASSERT_OK(admission.Admit(From(""), At(0)));
    admission.Started({});
    admission.Ran({}, absl::Seconds(1), /*finished=*/true, At(0));
    admission.Close();
  }
  // Admits, and starts the first `running` at once.
  static void Fill(Admission& admission, const std::string& client, int count,
                   int running = 0) {
    for (int i = 0; i < count; ++i) {
      ASSERT_OK(admission.Admit(From(client), At(0))) << i;
      if (i < running) admission.Started(From(client).entry);
    }
  }
};

TEST_F(AdmissionWaitTest, RefusesAtTheDoorWhatCannotBeDoneInTime) {
  Admission admission({.max_open = 100, .max_bytes = 100});
  Learn(admission);
  Fill(admission, "a", 5, /*running=*/1);
  // Five ends until its start, and its own run.
  EXPECT_OK(admission.Admit(From("a", 6.1), At(0)));
  const absl::Status late = admission.Admit(From("a", 6.1), At(0));
  EXPECT_THAT(late, testing::StatusIs(StatusCode::kDeadlineExceeded,
                                      HasSubstr("expected to take 7s")));
  EXPECT_EQ(DetailsOf(late).reason, ErrorReason::kDeadlineTooShort);
  EXPECT_GE(DetailsOf(late).retry_after, absl::Seconds(6 * 0.75));
  EXPECT_LE(DetailsOf(late).retry_after, absl::Seconds(6 * 1.25));
}

TEST_F(AdmissionWaitTest, WhereAPlaceIsFreeTheDeadlineMayBeTried) {
  Admission admission({.max_open = 100, .max_bytes = 100, .max_running = 2});
  Learn(admission);
  EXPECT_OK(admission.Admit(From("a", 0.1), At(0)));
  EXPECT_OK(admission.Admit(From("a", 0.1), At(0)));
  EXPECT_FALSE(admission.Admit(From("a", 0.1), At(0)).ok());
}

TEST_F(AdmissionWaitTest, BoundsTheExpectedWait) {
  Admission admission(
      {.max_open = 100, .max_bytes = 100, .max_delay = absl::Seconds(3)});
  Learn(admission);
  Fill(admission, "a", 4, /*running=*/1);
  const absl::Status full = admission.Admit(From("a"), At(0));
  EXPECT_THAT(full, testing::StatusIs(StatusCode::kResourceExhausted,
                                      HasSubstr("would wait 4s")));
  EXPECT_EQ(DetailsOf(full).reason, ErrorReason::kQueueFull);
  // Clients take turns, so another one waits less.
  EXPECT_OK(admission.Admit(From("b"), At(0)));
  // Ahead of low priority is all that is normal.
  EXPECT_FALSE(admission.Admit(From("c", 1e6, Priority::kLow), At(0)).ok());
  // What was measured long ago counts no more.
  EXPECT_OK(admission.Admit(From("a"), At(601)));
}

TEST_F(AdmissionWaitTest, WhereMemoryHoldsOthersBackFewerPlacesCount) {
  Admission admission({.max_open = 100,
                       .max_bytes = 100,
                       .max_running = 4,
                       .max_delay = absl::Seconds(3)});
  Learn(admission);
  Fill(admission, "a", 8, /*running=*/4);
  EXPECT_OK(admission.Admit(From("a"), At(0)));  // 5 ends at 4 a second
  admission.SetPlaces(1);
  EXPECT_FALSE(admission.Admit(From("a"), At(0)).ok());
}

TEST_F(AdmissionWaitTest, RetryDelaysFollowTheQueueAndAreSpread) {
  Admission admission({.max_open = 11, .max_bytes = 100});
  Learn(admission);
  Fill(admission, "a", 11, /*running=*/1);
  std::set<absl::Duration> delays;
  for (int i = 0; i < 100; ++i) {
    const auto delay = DetailsOf(Admit(admission, 0, "a")).retry_after;
    ASSERT_TRUE(delay.has_value());
    EXPECT_GE(*delay, absl::Seconds(11 * 0.75));
    EXPECT_LE(*delay, absl::Seconds(11 * 1.25));
    delays.insert(*delay);
  }
  EXPECT_EQ(delays.size(), 100U);
  EXPECT_GT(*delays.rbegin() - *delays.begin(), absl::Seconds(5));
  // Never more than a minute.
  admission.Ran({}, absl::Seconds(1000), /*finished=*/true, At(0));
  EXPECT_EQ(DetailsOf(Admit(admission, 0, "a")).retry_after, absl::Minutes(1));
}

TEST_F(AdmissionWaitTest, ChecksAgainBeforeTheStart) {
  Admission admission({.max_open = 100, .max_bytes = 100});
  Learn(admission);
  Fill(admission, "a", 1);
  // Nothing else waits: it may try.
  EXPECT_OK(admission.CheckStart(From("a").entry, At(0.5), At(0)));
  Fill(admission, "a", 1);
  EXPECT_OK(admission.CheckStart(From("a").entry, At(1.5), At(0)));
  EXPECT_EQ(
      DetailsOf(admission.CheckStart(From("a").entry, At(0.5), At(0))).reason,
      ErrorReason::kDeadlineTooShort);
}

TEST_F(AdmissionWaitTest, AFullQueueIsSharedAmongClients) {
  Admission admission({.max_open = 5,
                       .max_bytes = 100,
                       .max_per_client = Admission::kFairShare});
  Fill(admission, "many", 5, /*running=*/1);  // a lone client has it all
  EXPECT_EQ(DetailsOf(Admit(admission, 0, "many")).reason,
            ErrorReason::kQueueFull);
  EXPECT_THAT(admission.TakeEvictions(), IsEmpty());

  EXPECT_OK(Admit(admission, 0, "few"));
  EXPECT_THAT(admission.TakeEvictions(), ElementsAre("many"));
  const LineEntry many = From("many").entry;
  EXPECT_EQ(DetailsOf(admission.LostPlace(many, At(0))).reason,
            ErrorReason::kClientLimit);
  admission.LeftLine(many);
  admission.Close("many");
  EXPECT_EQ(admission.open(), 5);

  // Three of the one wait, one of the other.
  EXPECT_OK(Admit(admission, 0, "few"));
  EXPECT_THAT(admission.TakeEvictions(), ElementsAre("many"));
  admission.LeftLine(many);
  admission.Close("many");
  // Two and two: none gains by another exchange.
  EXPECT_EQ(DetailsOf(Admit(admission, 0, "few")).reason,
            ErrorReason::kQueueFull);
  EXPECT_THAT(admission.TakeEvictions(), IsEmpty());
}

TEST_F(AdmissionWaitTest, EvictionsUnderWayCount) {
  Admission admission({.max_open = 4,
                       .max_bytes = 100,
                       .max_per_client = Admission::kFairShare});
  Fill(admission, "many", 4);
  EXPECT_OK(Admit(admission, 0, "few"));
  EXPECT_OK(Admit(admission, 0, "few"));
  EXPECT_FALSE(Admit(admission, 0, "few").ok());
  EXPECT_THAT(admission.TakeEvictions(), ElementsAre("many", "many"));
}

}  // namespace
}  // namespace cooper::engine
