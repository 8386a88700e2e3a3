#include "base/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace cooper::base {
namespace {

using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;

std::string Logged(LogFormat format, LogLevel level, absl::string_view message,
                   const std::vector<LogField>& fields) {
  SetLogFormat(format);
  ::testing::internal::CaptureStderr();
  Log(level, message, fields);
  SetLogFormat(LogFormat::kText);
  return ::testing::internal::GetCapturedStderr();
}

TEST(LoggingTest, TextLineHoldsTimeLevelMessageAndFields) {
  const std::string line =
      Logged(LogFormat::kText, LogLevel::kWarning, "slow",
             {{"who", "a b"}, {"seconds", 1.5}, {"count", 3}});
  EXPECT_THAT(line, ContainsRegex("^[0-9T:.-]+Z warning slow "));
  EXPECT_THAT(line, EndsWith("who=\"a b\" seconds=1.5 count=3\n"));
}

TEST(LoggingTest, JsonLineQuotesTextAndLeavesNumbersBare) {
  const std::string line =
      Logged(LogFormat::kJson, LogLevel::kError, "say \"hi\"\n",
             {{"path", "a\\b"}, {"bytes", int64_t{5000000000}}});
  EXPECT_THAT(line, HasSubstr("\"level\":\"error\""));
  EXPECT_THAT(line, HasSubstr("\"msg\":\"say \\\"hi\\\"\\u000a\""));
  EXPECT_THAT(line, HasSubstr("\"path\":\"a\\\\b\",\"bytes\":5000000000}"));
}

TEST(LoggingTest, JsonIsJsonWhateverTheBytes) {
  EXPECT_EQ(JsonString("a\"b\\\x01\x7F"), R"("a\"b\\\u0001\u007f")");
  EXPECT_EQ(JsonString("\xC3\xA9\xFF\xC3"), "\"\xC3\xA9\\ufffd\\ufffd\"");
}

TEST(LoggingTest, FieldsMayBeJson) {
  const std::string line =
      Logged(LogFormat::kJson, LogLevel::kInfo, "m",
             {LogField::Json("list", R"([{"a":1}])"), {"b", 2}});
  EXPECT_THAT(line, HasSubstr(R"("list":[{"a":1}],"b":2})"));
}

TEST(LoggingTest, ALineIsWhatIsLogged) {
  SetLogFormat(LogFormat::kJson);
  const std::string line = LogLine(LogLevel::kInfo, "m", {{"a", 1}});
  EXPECT_EQ(CurrentLogFormat(), LogFormat::kJson);
  SetLogFormat(LogFormat::kText);
  EXPECT_THAT(line, EndsWith(R"(,"level":"info","msg":"m","a":1})"));
}

TEST(LoggingTest, AFailureIsPlainOrALineOfTheLog) {
  ::testing::internal::CaptureStderr();
  LogFailure("program", "no such file");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "program: no such file\n");
  SetLogFormat(LogFormat::kJson);
  ::testing::internal::CaptureStderr();
  LogFailure("program", "no such file");
  SetLogFormat(LogFormat::kText);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              EndsWith(R"("level":"error","msg":"failed","program":"program",)"
                       "\"error\":\"no such file\"}\n"));
}

TEST(LoggingTest, EveryLineCountsAtItsLevel) {
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const int64_t infos = LinesLogged(LogLevel::kInfo);
    const int64_t warnings = LinesLogged(LogLevel::kWarning);
    const int64_t errors = LinesLogged(LogLevel::kError);
    Logged(format, LogLevel::kWarning, "slow", {});
    Logged(format, LogLevel::kError, "broken", {});
    Logged(format, LogLevel::kError, "broken", {});
    EXPECT_EQ(LinesLogged(LogLevel::kInfo), infos);
    EXPECT_EQ(LinesLogged(LogLevel::kWarning), warnings + 1);
    EXPECT_EQ(LinesLogged(LogLevel::kError), errors + 2);
  }
}

TEST(LoggingTest, PrintableEscapesControlAndInvalidBytes) {
  EXPECT_EQ(Printable("a\nb"), "a\\x0ab");
  EXPECT_EQ(Printable("\xFF!"), "\\xff!");
  EXPECT_EQ(Printable("\xC3\xA9"), "\xC3\xA9");
}

TEST(LoggingTest, PrintableIsWellFormedWhateverItIsGiven) {
  // Overlong, a surrogate, past U+10FFFF, cut short; terminals obey U+009B.
  EXPECT_EQ(Printable("\xC0\x80"), "\\xc0\\x80");
  EXPECT_EQ(Printable("\xE0\x80\x80"), "\\xe0\\x80\\x80");
  EXPECT_EQ(Printable("\xED\xA0\x80"), "\\xed\\xa0\\x80");
  EXPECT_EQ(Printable("\xF4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(Printable("\xF5\x80\x80\x80"), "\\xf5\\x80\\x80\\x80");
  EXPECT_EQ(Printable("\xE6\xA4"), "\\xe6\\xa4");
  EXPECT_EQ(Printable("\xC2\x9B"), "\\xc2\\x9b");
  EXPECT_EQ(Printable("\xC2\xA0\xF4\x8F\xBF\xBF"), "\xC2\xA0\xF4\x8F\xBF\xBF");
}

TEST(LoggingTest, PrintableCutsLongTextAtAWholeCharacter) {
  EXPECT_EQ(Printable("abcdef", 4), "abcd...");
  EXPECT_EQ(Printable("abc\xC3\xA9", 4), "abc...");
  EXPECT_EQ(Printable("abcd", 4), "abcd");
}

}  // namespace
}  // namespace cooper::base
