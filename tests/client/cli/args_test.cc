#include "client/cli/args.h"

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "tests/testing/status_matchers.h"

ABSL_DECLARE_FLAG(std::optional<bool>, do_sample);
ABSL_DECLARE_FLAG(std::optional<uint64_t>, seed);
ABSL_DECLARE_FLAG(std::optional<double>, top_p);

namespace cooper::client {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ArgsTest : public ::testing::Test {
 protected:
  absl::StatusOr<Args> Parse(const std::vector<std::string>& arguments) {
    return ParseArgs(arguments,
                     {"seed", "top_p", "do_sample", "json", "service"});
  }

 private:
  absl::FlagSaver saver_;
};

TEST_F(ArgsTest, FlagsMayStandAnywhereAndTakeBothForms) {
  ASSERT_OK_AND_ASSIGN(const Args args, Parse({"ask", "--seed=7", "a.png",
                                               "--top_p", "0.5", "why?"}));
  EXPECT_THAT(args.positional, ElementsAre("ask", "a.png", "why?"));
  EXPECT_THAT(args.given_flags, ElementsAre("seed", "top_p"));
  EXPECT_EQ(absl::GetFlag(FLAGS_seed), 7u);
  EXPECT_EQ(absl::GetFlag(FLAGS_top_p), 0.5);
}

TEST_F(ArgsTest, SwitchesTakeNoValueAndNoTurnsThemOff) {
  ASSERT_OK_AND_ASSIGN(const Args args,
                       Parse({"--do_sample", "a.png", "--json"}));
  EXPECT_THAT(args.positional, ElementsAre("a.png"));
  EXPECT_EQ(absl::GetFlag(FLAGS_do_sample), true);
  EXPECT_TRUE(absl::GetFlag(FLAGS_json));
  ASSERT_OK(Parse({"--nodo_sample", "--json=false"}));
  EXPECT_EQ(absl::GetFlag(FLAGS_do_sample), false);
  EXPECT_FALSE(absl::GetFlag(FLAGS_json));
}

TEST_F(ArgsTest, DashesInANameAreUnderscores) {
  ASSERT_OK(Parse({"--top-p=0.5", "--no-do-sample"}).status());
  EXPECT_EQ(absl::GetFlag(FLAGS_top_p), 0.5);
}

TEST_F(ArgsTest, FlagsOfTheToolNeedNotBeKnown) {
  ASSERT_OK_AND_ASSIGN(const Args args,
                       Parse({"--version", "-q", "-", "-5", "why -q?"}));
  EXPECT_TRUE(args.version);
  EXPECT_TRUE(args.quiet);
  EXPECT_FALSE(args.help);
  EXPECT_THAT(args.positional, ElementsAre("-", "-5", "why -q?"));
}

TEST_F(ArgsTest, ShortFlagsAreTheLongOnes) {
  const absl::FlagSaver saver;
  const FlagNames known = {"server", "out"};
  ASSERT_OK_AND_ASSIGN(const Args args,
                       ParseArgs({"-s", "a:1", "ask", "-o=maps"}, known));
  EXPECT_THAT(args.given_flags, ElementsAre("server", "out"));
  EXPECT_THAT(args.positional, ElementsAre("ask"));
  EXPECT_THAT(ParseArgs({"-x"}, known),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("there is no flag -x")));
  EXPECT_THAT(ParseArgs({"-s"}, known),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("--server needs a value")));
}

TEST_F(ArgsTest, TwoDashesEndTheFlags) {
  ASSERT_OK_AND_ASSIGN(const Args args, Parse({"ask", "--", "--seed=1", "-h"}));
  EXPECT_THAT(args.positional, ElementsAre("ask", "--seed=1", "-h"));
  EXPECT_EQ(absl::GetFlag(FLAGS_seed), std::nullopt);
}

TEST_F(ArgsTest, HelpIsToldApart) {
  ASSERT_OK_AND_ASSIGN(Args args, Parse({"ask", "--help"}));
  EXPECT_TRUE(args.help);
  ASSERT_OK_AND_ASSIGN(args, Parse({"-h"}));
  EXPECT_TRUE(args.help);
}

TEST_F(ArgsTest, AnUnknownFlagNamesTheOneThatIsSpelledLikeIt) {
  EXPECT_THAT(Parse({"--sed=3"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "there is no flag --sed (did you mean --seed?)"));
  EXPECT_THAT(Parse({"--frobnicate"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "there is no flag --frobnicate"));
  EXPECT_THAT(Parse({"--noseed"}), StatusIs(absl::StatusCode::kInvalidArgument,
                                            HasSubstr("--noseed")));
}

TEST_F(ArgsTest, ValuesThatAreNoneAreRefused) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"--seed=-1"},
                                             {"--seed=x"},
                                             {"--seed="},
                                             {"--top_p=high"},
                                             {"--do_sample=maybe"}}) {
    EXPECT_THAT(Parse(arguments), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("is no value for it")))
        << arguments[0];
  }
  EXPECT_THAT(Parse({"--seed"}), StatusIs(absl::StatusCode::kInvalidArgument,
                                          "--seed needs a value"));
}

TEST_F(ArgsTest, AnEmptyTextIsAValue) {
  ASSERT_OK(Parse({"--service="}));
  EXPECT_EQ(absl::GetFlag(FLAGS_service), "");
}

TEST_F(ArgsTest, ACommandRefusesFlagsOfOthers) {
  ASSERT_OK_AND_ASSIGN(const Args args, Parse({"health", "--seed=1"}));
  EXPECT_THAT(CheckFlags(args, "health", {"service"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "\"cooper health\" takes no --seed"));
  EXPECT_OK(CheckFlags(args, "ask", {"seed"}));
}

}  // namespace
}  // namespace cooper::client
