#include "server/rpc/receive_state.h"

#include <gtest/gtest.h>

namespace cooper::rpc {
namespace {

using Next = ReceiveState::Next;

constexpr absl::Duration kTimeout = absl::Seconds(1);

class ReceiveStateTest : public ::testing::Test {
 protected:
  ReceiveStateTest() { state_.Begin(start_); }

  // Whatever comes later, the call has gone on.
  void ExpectOver() {
    const absl::Time later = start_ + absl::Hours(1);
    EXPECT_EQ(state_.OnCancel(), Next::kNothing);
    EXPECT_EQ(state_.OnTick(later, kTimeout), Next::kNothing);
    EXPECT_EQ(state_.OnRead(true, false, later), Next::kNothing);
    EXPECT_EQ(state_.OnRead(false, true, later), Next::kNothing);
  }

  const absl::Time start_ = absl::UnixEpoch();
  ReceiveState state_;
};

TEST_F(ReceiveStateTest, TheMessageComesOnce) {
  EXPECT_EQ(state_.OnRead(true, false, start_), Next::kRequest);
  ExpectOver();
}

TEST_F(ReceiveStateTest, ACancelledCallHasNoRequest) {
  EXPECT_EQ(state_.OnRead(false, true, start_), Next::kNoRequest);
  ExpectOver();
}

TEST_F(ReceiveStateTest, AFailedReadWaitsForTheCancel) {
  EXPECT_EQ(state_.OnRead(false, false, start_), Next::kNothing);
  EXPECT_EQ(state_.OnTick(start_ + absl::Milliseconds(50), kTimeout),
            Next::kNothing);
  EXPECT_EQ(state_.OnCancel(), Next::kNoRequest);
  ExpectOver();
}

TEST_F(ReceiveStateTest, WithoutACancelTheCallerSentNone) {
  EXPECT_EQ(state_.OnRead(false, false, start_), Next::kNothing);
  EXPECT_EQ(state_.OnTick(start_ + absl::Milliseconds(150), kTimeout),
            Next::kNoRequest);
  ExpectOver();
}

TEST_F(ReceiveStateTest, ACancelBeforeTheReadEndsWaitsForIt) {
  EXPECT_EQ(state_.OnCancel(), Next::kNothing);
  EXPECT_EQ(state_.OnRead(false, true, start_), Next::kNoRequest);
  ExpectOver();
}

TEST_F(ReceiveStateTest, AMessageThatIsNotCompleteInTimeIsLate) {
  EXPECT_EQ(state_.OnTick(start_ + kTimeout, kTimeout), Next::kNothing);
  EXPECT_EQ(state_.OnTick(start_ + kTimeout + absl::Nanoseconds(1), kTimeout),
            Next::kLate);
  ExpectOver();
}

TEST(ReceiveStateWithoutReadTest, NothingIsAwaited) {
  ReceiveState state;
  EXPECT_EQ(state.OnCancel(), Next::kNothing);
  EXPECT_EQ(state.OnTick(absl::InfiniteFuture(), kTimeout), Next::kNothing);
}

}  // namespace
}  // namespace cooper::rpc
