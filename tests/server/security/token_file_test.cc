#include "server/security/token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "tests/testing/status_matchers.h"

namespace cooper::security {
namespace {

using cooper::testing::StatusIs;
using ::testing::HasSubstr;

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
};

TEST_F(TokenFileTest, AllowsEachTokenOfTheFile) {
  Write("alpha\n\n  beta  \n");
  ASSERT_OK_AND_ASSIGN(const auto tokens, TokenFile::Open(path_));
  EXPECT_TRUE(tokens->Allows("Bearer alpha"));
  EXPECT_TRUE(tokens->Allows("bearer beta"));
}

// As editors, Windows and copied headers leave them.
TEST_F(TokenFileTest, MarksLineEndsAndSchemesAreNotPartOfATokenItself) {
  Write(
      "\xEF\xBB\xBF"
      "alpha\r\nBearer beta\r\n  bearer   gamma \r\n\r\n");
  ASSERT_OK_AND_ASSIGN(const auto tokens, TokenFile::Open(path_));
  for (const char* token : {"alpha", "beta", "gamma"}) {
    EXPECT_TRUE(tokens->Allows(std::string("Bearer ") + token)) << token;
  }
  EXPECT_FALSE(tokens->Allows("Bearer "));
  EXPECT_FALSE(tokens->Allows("Bearer Bearer beta"));
}

TEST_F(TokenFileTest, RefusesEverythingElse) {
  Write("alpha\n");
  ASSERT_OK_AND_ASSIGN(const auto tokens, TokenFile::Open(path_));
  for (const char* header :
       {"", "alpha", "Bearer", "Bearer ", "Bearer alph", "Bearer alphaa",
        "Bearer alphaalpha", "Bearer ALPHA", "Basic alpha"}) {
    EXPECT_FALSE(tokens->Allows(header)) << header;
  }
}

TEST_F(TokenFileTest, TakesExchangedTokensWithARefreshOnly) {
  Write("alpha\n");
  ASSERT_OK_AND_ASSIGN(const auto tokens, TokenFile::Open(path_));
  Write("gamma\n");
  EXPECT_FALSE(tokens->Allows("Bearer gamma"));
  tokens->Refresh();
  EXPECT_TRUE(tokens->Allows("Bearer gamma"));
  EXPECT_FALSE(tokens->Allows("Bearer alpha"));
}

TEST_F(TokenFileTest, KeepsTheLastGoodTokensWhereTheFileIsGone) {
  Write("alpha\n");
  ASSERT_OK_AND_ASSIGN(const auto tokens, TokenFile::Open(path_));
  std::remove(path_.c_str());
  tokens->Refresh();
  EXPECT_TRUE(tokens->Allows("Bearer alpha"));
}

TEST_F(TokenFileTest, AFileWithoutTokensCannotBeOpened) {
  EXPECT_THAT(TokenFile::Open(path_ + ".absent"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(".absent")));
  Write("\n  \n");
  EXPECT_THAT(
      TokenFile::Open(path_),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no token")));
}

}  // namespace
}  // namespace cooper::security
