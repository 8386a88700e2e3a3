#include "server/tracing/trace_context.h"

#include <gtest/gtest.h>

namespace cooper::tracing {
namespace {

TEST(TraceContextTest, TakesAWellFormedHeader) {
  const auto caller = ParseTraceparent(
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  ASSERT_TRUE(caller.has_value());
  EXPECT_EQ(caller->trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(caller->parent_id, "b7ad6b7169203331");
  EXPECT_TRUE(caller->sampled);
}

TEST(TraceContextTest, TakesALaterVersionWithMoreBehindIt) {
  const auto caller = ParseTraceparent(
      "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-new");
  ASSERT_TRUE(caller.has_value());
  EXPECT_EQ(caller->trace_id, "0af7651916cd43dd8448eb211c80319c");
}

TEST(TraceContextTest, SampledIsTheLowestBitOfTheFlags) {
  const auto sampled = [](const std::string& flags) {
    return ParseTraceparent(
               "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-" + flags)
        ->sampled;
  };
  EXPECT_FALSE(sampled("00"));
  EXPECT_FALSE(sampled("02"));
  EXPECT_FALSE(sampled("fe"));
  EXPECT_TRUE(sampled("03"));
  EXPECT_TRUE(sampled("0b"));
  EXPECT_TRUE(sampled("ff"));
}

TEST(TraceContextTest, IgnoresAMalformedHeader) {
  const char* const kBad[] = {
      "",
      "00",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
      "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
      "00-00000000000000000000000000000000-b7ad6b7169203331-01",
      "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
      "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
      "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x"};
  for (const char* header : kBad) {
    EXPECT_FALSE(ParseTraceparent(header).has_value()) << header;
  }
}

}  // namespace
}  // namespace cooper::tracing
