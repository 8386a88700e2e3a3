// Small parsers: deadlines, token files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>

#include "absl/time/clock.h"
#include "server/rpc/call_deadline.h"
#include "server/security/client_name.h"
#include "server/security/token_file.h"
#include "tests/testing/status_matchers.h"

namespace cooper::rpc {
namespace {

using cooper::testing::StatusIs;
using ::testing::HasSubstr;

class ManualClock : public base::Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now = absl::UnixEpoch() + absl::Hours(1);
};

TEST(ClientNameTest, TheBestProofOfIdentityCounts) {
  const struct {
    security::CallerFacts facts;
    std::string name;
  } kCases[] = {
      {{"", "", "ipv4:10.0.0.7:51234"}, "ipv4:10.0.0.7"},
      {{"", "", "ipv6:%5B2001:db8::1%5D:443"}, "ipv6:%5B2001:db8::1%5D"},
      {{"", "", "unix:/run/cooper:1"}, "unix:/run/cooper:1"},
      {{"", "robot", "ipv4:10.0.0.7:51234"}, "tls:robot"},
      {{"", "", ""}, ""},
  };
  for (const auto& c : kCases) EXPECT_EQ(security::ClientName(c.facts), c.name);
}

TEST(ClientNameTest, ATokenIsNamedByItsDigest) {
  const std::string name =
      security::ClientName({"secret", "robot", "ipv4:10.0.0.7:51234"});
  // sha256sum of "secret".
  EXPECT_EQ(name,
            "token:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527"
            "a25b");
  EXPECT_EQ(security::ClientName({"secret", "", "ipv4:10.0.0.8:1"}), name);
  EXPECT_NE(security::ClientName({"other", "", "ipv4:10.0.0.8:1"}), name);
}

TEST(CallDeadlineTest, AbsentAndFarDeadlinesAreCapped) {
  const ManualClock clock;
  const CallDeadline absent(std::chrono::system_clock::time_point::max(), clock,
                            absl::Minutes(15));
  EXPECT_EQ(absent.time(), clock.now + absl::Minutes(15));
  EXPECT_FALSE(absent.Passed(absent.time() - absl::Nanoseconds(1)));
  EXPECT_TRUE(absent.Passed(absent.time()));
  const CallDeadline far(
      std::chrono::system_clock::now() + std::chrono::hours(87600), clock,
      absl::Minutes(15));
  EXPECT_EQ(far.time(), clock.now + absl::Minutes(15));
}

TEST(CallDeadlineTest, PassesALittleEarlyForTheWiresRounding) {
  const ManualClock clock;
  const CallDeadline deadline(
      std::chrono::system_clock::now() + std::chrono::seconds(100), clock,
      absl::Minutes(15));
  EXPECT_GT(deadline.time(), clock.now + absl::Seconds(90));
  EXPECT_LE(deadline.time(), clock.now + absl::Seconds(100));
  EXPECT_TRUE(deadline.Passed(deadline.time() - absl::Milliseconds(900)));
  EXPECT_FALSE(deadline.Passed(deadline.time() - absl::Seconds(2)));
}

TEST(CallDeadlineTest, APastDeadlineIsPassedAtOnce) {
  const ManualClock clock;
  const CallDeadline deadline(
      std::chrono::system_clock::now() - std::chrono::hours(1), clock,
      absl::Minutes(15));
  EXPECT_LT(deadline.time(), clock.now);
  EXPECT_TRUE(deadline.Passed(clock.now));
}

class TokenFileTest : public ::testing::Test {
 protected:
  void Write(const std::string& content) {
    // A new file each time, as a mounted secret is exchanged.
    const std::string fresh = path_ + ".new";
    std::ofstream(fresh) << content;
    std::rename(fresh.c_str(), path_.c_str());
  }

  const std::string path_ =
      ::testing::TempDir() + "/tokens-" + std::to_string(getpid()) + "-" +
      ::testing::UnitTest::GetInstance()->current_test_info()->name();
  ManualClock clock_;
};

TEST_F(TokenFileTest, AllowsEachTokenOfTheFile) {
  Write("alpha\n\n  beta  \n");
  ASSERT_OK_AND_ASSIGN(const auto tokens,
                       security::TokenFile::Open(path_, &clock_));
  EXPECT_TRUE(tokens->Allows("Bearer alpha"));
  EXPECT_TRUE(tokens->Allows("bearer beta"));
}

TEST_F(TokenFileTest, RefusesEverythingElse) {
  Write("alpha\n");
  ASSERT_OK_AND_ASSIGN(const auto tokens,
                       security::TokenFile::Open(path_, &clock_));
  for (const char* header :
       {"", "alpha", "Bearer", "Bearer ", "Bearer alph", "Bearer alphaa",
        "Bearer alphaalpha", "Bearer ALPHA", "Basic alpha"}) {
    EXPECT_FALSE(tokens->Allows(header)) << header;
  }
}

TEST_F(TokenFileTest, TakesExchangedTokensAfterASecond) {
  Write("alpha\n");
  ASSERT_OK_AND_ASSIGN(const auto tokens,
                       security::TokenFile::Open(path_, &clock_));
  Write("gamma\n");
  EXPECT_FALSE(tokens->Allows("Bearer gamma"));
  clock_.now += absl::Seconds(1);
  EXPECT_TRUE(tokens->Allows("Bearer gamma"));
  EXPECT_FALSE(tokens->Allows("Bearer alpha"));
}

TEST_F(TokenFileTest, KeepsTheLastGoodTokensWhereTheFileIsGone) {
  Write("alpha\n");
  ASSERT_OK_AND_ASSIGN(const auto tokens,
                       security::TokenFile::Open(path_, &clock_));
  std::remove(path_.c_str());
  clock_.now += absl::Seconds(5);
  EXPECT_TRUE(tokens->Allows("Bearer alpha"));
}

TEST_F(TokenFileTest, AFileWithoutTokensCannotBeOpened) {
  EXPECT_THAT(security::TokenFile::Open(path_ + ".absent", &clock_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(".absent")));
  Write("\n  \n");
  EXPECT_THAT(
      security::TokenFile::Open(path_, &clock_),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no token")));
}

}  // namespace
}  // namespace cooper::rpc
