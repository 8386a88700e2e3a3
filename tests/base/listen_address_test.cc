#include "base/listen_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace cooper::base {
namespace {

using cooper::testing::StatusIs;
using ::testing::HasSubstr;

TEST(ListenAddressTest, ReadsHostAndPort) {
  ASSERT_OK_AND_ASSIGN(const auto any, ListenAddress::Parse("0.0.0.0:0"));
  EXPECT_EQ(any.host, "0.0.0.0");
  EXPECT_EQ(any.port, 0);
  ASSERT_OK_AND_ASSIGN(const auto six, ListenAddress::Parse("[::1]:65535"));
  EXPECT_EQ(six.ToString(), "[::1]:65535");
}

TEST(ListenAddressTest, KnowsWhatOnlyThisMachineReaches) {
  for (const char* host :
       {"127.0.0.1", "127.1.2.3", "[::1]", "localhost", "[::ffff:127.0.0.1]"}) {
    EXPECT_TRUE((ListenAddress{host, 1}.IsLoopback())) << host;
  }
  for (const char* host : {"0.0.0.0", "[::]", "10.0.0.1", "[fe80::1]", "*",
                           "localhost.example", "[::ffff:10.0.0.1]"}) {
    EXPECT_FALSE((ListenAddress{host, 1}.IsLoopback())) << host;
  }
}

TEST(ListenAddressTest, RefusesAnythingElse) {
  for (const char* text : {"", "8001", ":8001", "host:", "host:65536",
                           "host:-1", "host:80x", "::1:80", "host: 80", "[]:80",
                           "[:80", "]:80", "[a]]:80", "a b:80", "a\n:80"}) {
    EXPECT_THAT(
        ListenAddress::Parse(text),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("HOST:PORT")))
        << text;
  }
}

}  // namespace
}  // namespace cooper::base
