#include "server/security/policy_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "tests/testing/status_matchers.h"

namespace cooper::security {
namespace {

using cooper::testing::StatusIs;
using ::testing::HasSubstr;

class PolicyFileTest : public ::testing::Test {
 protected:
  ~PolicyFileTest() override { unlink(path_.c_str()); }

  absl::StatusOr<std::unique_ptr<PolicyFile>> Open(const std::string& text) {
    Write(text);
    return PolicyFile::Open(path_, {"Reason", "Segment", "GetModel"});
  }

  // In place of the file, as a mounted secret is exchanged.
  void Write(const std::string& text) {
    const std::string next = path_ + ".next";
    std::ofstream(next) << text;
    ASSERT_EQ(rename(next.c_str(), path_.c_str()), 0);
  }

  const std::string path_ =
      ::testing::TempDir() + "/policy-" + std::to_string(getpid());
};

TEST_F(PolicyFileTest, ClientsHaveTheirMethodsAndOthersTheDefault) {
  ASSERT_OK_AND_ASSIGN(
      auto policy, Open(R"({"clients": {"a": ["Reason", "GetModel"], "b": []},
               "default": ["GetModel"]})"));
  EXPECT_TRUE(policy->Allows("a", "Reason"));
  EXPECT_TRUE(policy->Allows("a", "GetModel"));
  EXPECT_FALSE(policy->Allows("a", "Segment"));
  EXPECT_FALSE(policy->Allows("b", "GetModel"));
  EXPECT_TRUE(policy->Allows("c", "GetModel"));
  EXPECT_FALSE(policy->Allows("c", "Reason"));
  EXPECT_FALSE(policy->Allows("", "Reason"));
}

TEST_F(PolicyFileTest, WithoutADefaultOthersMayDoNothing) {
  ASSERT_OK_AND_ASSIGN(auto policy, Open("{}"));
  EXPECT_FALSE(policy->Allows("a", "GetModel"));
}

TEST_F(PolicyFileTest, WhatIsWrongIsNamed) {
  for (const auto& [text, words] :
       {std::pair{"", "is no JSON object"},
        {"[]", "is no JSON object"},
        {"{", "is no JSON object"},
        {R"({"client": {}})", "\"client\""},
        {R"({"clients": []})", "clients: must be an object"},
        {R"({"clients": {"a": "Reason"}})", "clients.a"},
        {R"({"clients": {"a": ["reason"]}})", "\"reason\" is no method"},
        {R"({"default": [1]})", "default: 1 is no method"}}) {
    EXPECT_THAT(Open(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words)))
        << text;
  }
  EXPECT_THAT(PolicyFile::Open("/nowhere", {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere")));
}

TEST_F(PolicyFileTest, AChangedFileHoldsAndAWrongOneDoesNot) {
  ASSERT_OK_AND_ASSIGN(auto policy, Open(R"({"default": ["Reason"]})"));
  Write(R"({"default": ["Segment"]})");
  policy->Refresh();
  EXPECT_FALSE(policy->Allows("a", "Reason"));
  EXPECT_TRUE(policy->Allows("a", "Segment"));
  Write("nonsense");
  policy->Refresh();
  policy->Refresh();
  EXPECT_TRUE(policy->Allows("a", "Segment"));
  unlink(path_.c_str());
  policy->Refresh();
  EXPECT_TRUE(policy->Allows("a", "Segment"));
  Write("{}");
  policy->Refresh();
  EXPECT_FALSE(policy->Allows("a", "Segment"));
}

}  // namespace
}  // namespace cooper::security
