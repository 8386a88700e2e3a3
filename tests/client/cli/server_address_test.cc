#include "client/cli/server_address.h"

#include <cstdlib>

#include "tests/testing/status_matchers.h"

namespace cooper::client {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::HasSubstr;

std::string TargetOf(absl::string_view server) {
  ClientOptions options;
  EXPECT_OK(ReadServer(server, &options)) << server;
  return options.target + (options.tls ? " tls" : "");
}

TEST(ServerAddressTest, IsWhatPeopleWrite) {
  EXPECT_EQ(TargetOf("robot:9000"), "robot:9000");
  EXPECT_EQ(TargetOf("robot"), "robot:8001");
  EXPECT_EQ(TargetOf(":9000"), "localhost:9000");
  EXPECT_EQ(TargetOf("http://robot:9000"), "robot:9000");
  EXPECT_EQ(TargetOf("http://robot/"), "robot:8001");
  EXPECT_EQ(TargetOf("https://robot:443/"), "robot:443 tls");
  EXPECT_EQ(TargetOf("[::1]:9000"), "[::1]:9000");
  EXPECT_EQ(TargetOf("[::1]"), "[::1]:8001");
}

TEST(ServerAddressTest, GrpcsOwnTargetsAreKept) {
  for (const char* target : {"dns:///robot:9000", "ipv4:///127.0.0.1:1",
                             "unix:/run/cooper.sock", "unix:relative.sock"}) {
    EXPECT_EQ(TargetOf(target), target);
  }
  EXPECT_EQ(TargetOf("/run/cooper.sock"), "unix:/run/cooper.sock");
}

TEST(ServerAddressTest, WhatIsNoAddressIsNamed) {
  for (const char* server : {"", "http://", "http://robot:9000/v1", "a/b"}) {
    ClientOptions options;
    EXPECT_THAT(
        ReadServer(server, &options),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--server")))
        << server;
  }
}

TEST(ServerAddressTest, TheDefaultIsInTheEnvironment) {
  setenv("COOPER_SERVER", "robot:9000", 1);
  EXPECT_EQ(DefaultServer(), "robot:9000");
  setenv("COOPER_SERVER", "", 1);
  EXPECT_EQ(DefaultServer(), "localhost:8001");
  unsetenv("COOPER_SERVER");
  EXPECT_EQ(DefaultServer(), "localhost:8001");
}

}  // namespace
}  // namespace cooper::client
