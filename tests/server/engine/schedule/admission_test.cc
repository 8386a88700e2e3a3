#include "server/engine/schedule/admission.h"

#include "server/engine/core/error.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

absl::Time At(double seconds) {
  return absl::UnixEpoch() + absl::Seconds(seconds);
}

TEST(AdmissionTest, BoundsTheNumberOfOpenRequests) {
  Admission admission({.max_open = 2, .max_bytes = 100});
  EXPECT_OK(admission.Admit(1));
  EXPECT_OK(admission.Admit(1));
  const absl::Status full = admission.Admit(1);
  EXPECT_THAT(full, testing::StatusIs(StatusCode::kResourceExhausted,
                                      HasSubstr("2 requests")));
  EXPECT_EQ(DetailsOf(full).reason, ErrorReason::kQueueFull);
  admission.Close(At(0));
  EXPECT_OK(admission.Admit(1));
  EXPECT_EQ(admission.open(), 2);
}

TEST(AdmissionTest, BoundsTheBytesThatAreNotDecodedYet) {
  Admission admission({.max_open = 9, .max_bytes = 100});
  EXPECT_OK(admission.Admit(60));
  EXPECT_THAT(
      admission.Admit(60),
      testing::StatusIs(StatusCode::kResourceExhausted, HasSubstr("60 bytes")));
  admission.FreeBytes(60);
  EXPECT_OK(admission.Admit(60));
}

TEST(AdmissionTest, ALargeRequestGoesWhereNothingElseWaits) {
  Admission admission({.max_open = 9, .max_bytes = 100});
  EXPECT_OK(admission.Admit(500));
  EXPECT_FALSE(admission.Admit(1).ok());
}

TEST(AdmissionTest, TellsWhenAPlaceIsLikelyToBeFree) {
  Admission admission({.max_open = 3, .max_bytes = 100});
  for (int i = 0; i < 3; ++i) ASSERT_OK(admission.Admit(0));
  EXPECT_EQ(DetailsOf(admission.Admit(0)).retry_after, absl::Seconds(1));
  admission.Close(At(10));
  admission.Close(At(14));
  ASSERT_OK(admission.Admit(0));
  ASSERT_OK(admission.Admit(0));
  EXPECT_EQ(DetailsOf(admission.Admit(0)).retry_after, absl::Seconds(4));
  // The latest interval counts for a fifth; never longer than 30 s.
  admission.Close(At(1014));
  ASSERT_OK(admission.Admit(0));
  EXPECT_EQ(DetailsOf(admission.Admit(0)).retry_after, absl::Seconds(30));
}

TEST(AdmissionTest, RefusesWhileDrainingAndAfterAFailure) {
  Admission admission({.max_open = 3, .max_bytes = 100});
  admission.Drain();
  EXPECT_EQ(DetailsOf(admission.Admit(0)).reason, ErrorReason::kDraining);
  EXPECT_FALSE(admission.failed());
  admission.Fail();
  EXPECT_EQ(DetailsOf(admission.Admit(0)).reason, ErrorReason::kEngineFailed);
  EXPECT_TRUE(admission.failed());
}

TEST(AdmissionTest, WaitsUntilNothingIsOpen) {
  Admission admission({.max_open = 3, .max_bytes = 100});
  EXPECT_TRUE(admission.WaitUntilIdle(absl::ZeroDuration()));
  ASSERT_OK(admission.Admit(0));
  EXPECT_FALSE(admission.WaitUntilIdle(absl::ZeroDuration()));
  admission.Close(At(0));
  EXPECT_TRUE(admission.WaitUntilIdle(absl::ZeroDuration()));
}

TEST(AdmissionTest, BoundsTheRequestsOfOneClient) {
  Admission admission({.max_open = 9, .max_bytes = 100, .max_per_client = 2});
  EXPECT_OK(admission.Admit(1, "a"));
  EXPECT_OK(admission.Admit(1, "a"));
  const absl::Status full = admission.Admit(1, "a");
  EXPECT_EQ(full.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(full).reason, ErrorReason::kClientLimit);
  EXPECT_EQ(DetailsOf(full).retry_after, absl::Seconds(1));
  EXPECT_OK(admission.Admit(1, "b"));
  for (int i = 0; i < 3; ++i) EXPECT_OK(admission.Admit(1));
  admission.Close(At(0), "a");
  EXPECT_OK(admission.Admit(1, "a"));
}

TEST(AdmissionTest, ATurnThatFollowsAnotherTakesOverItsPlace) {
  Admission admission({1, 100, 1});
  ASSERT_TRUE(admission.Admit(10, "me").ok());
  EXPECT_FALSE(admission.Admit(10, "me").ok());
  EXPECT_TRUE(admission.Admit(10, "me", /*follows=*/true).ok());
  EXPECT_FALSE(admission.Admit(200, "me", /*follows=*/true).ok());
  admission.Drain();
  EXPECT_FALSE(admission.Admit(10, "me", /*follows=*/true).ok());
}

}  // namespace
}  // namespace cooper::engine
