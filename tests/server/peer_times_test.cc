// Peers that take their time over a real listener: who never ends a handshake,
// answers no ping, or pings too often.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/server/metrics/raw_client.h"
#include "tests/server/security/test_certificates.h"
#include "tests/server/test_server.h"

namespace cooper::rpc {
namespace {

using cooper::testing::MakeCertificate;
using cooper::testing::MountedSecret;
using cooper::testing::RawClient;
using cooper::testing::TestCertificate;
using cooper::testing::TestServer;
using ::testing::HasSubstr;
using ::testing::Not;

// The client's part of an HTTP/2 connection's beginning: the preface, and
// settings that change nothing.
std::string Preface() {
  return absl::StrCat("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                      absl::string_view("\0\0\0\4\0\0\0\0\0", 9));
}

// Sends this, and then nothing; true if the server ends the connection, and
// not before `least` has passed.
bool IsEndedAfter(TestServer* server, absl::string_view sent,
                  absl::Duration least) {
  const absl::Time start = absl::Now();
  RawClient peer(server->server().address().port);
  EXPECT_TRUE(peer.connected());
  peer.Send(sent);
  peer.ReadAll();  // takes at most ten seconds
  const absl::Duration took = absl::Now() - start;
  return took >= least && took < absl::Seconds(9);
}

void ExpectNoConnectionLeft(const TestServer& server) {
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  while (server.Collect().Sum("cooper_grpc_connections") > 0 &&
         absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(server.Collect().Sum("cooper_grpc_connections"), 0);
}

TEST(PeerTimesTest, AHandshakeOfHttp2ThatIsNeverFinishedIsEnded) {
  TestServer::Options options;
  options.rpc.peer_times.handshake = absl::Milliseconds(200);
  TestServer server(options);
  for (const absl::string_view sent :
       {"", "PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}) {
    EXPECT_TRUE(IsEndedAfter(&server, sent, absl::Milliseconds(150))) << sent;
  }
  ExpectNoConnectionLeft(server);
  EXPECT_EQ(server.HealthOf("readiness"), "SERVING");
}

TEST(PeerTimesTest, AHandshakeOfTlsThatIsNeverFinishedIsEnded) {
  const TestCertificate own = MakeCertificate("own");
  const MountedSecret secret({own.cert, own.key, ""});
  TestServer::Options options;
  options.rpc.tls = secret.files_of_server();
  options.rpc.peer_times.handshake = absl::Milliseconds(200);
  TestServer server(options);
  for (const absl::string_view sent : {"", "\x16\x03\x01\x02"}) {
    EXPECT_TRUE(IsEndedAfter(&server, sent, absl::Milliseconds(150)));
  }
  ExpectNoConnectionLeft(server);
}

// As one that is frozen, or whose cable is pulled.
TEST(PeerTimesTest, APeerThatAnswersNoPingIsGone) {
  TestServer::Options options;
  options.rpc.peer_times.keepalive = absl::Milliseconds(200);
  options.rpc.peer_times.keepalive_timeout = absl::Milliseconds(100);
  TestServer server(options);
  EXPECT_TRUE(IsEndedAfter(&server, Preface(), absl::Milliseconds(250)));
  ExpectNoConnectionLeft(server);
}

// What the server says to a peer that makes no call and pings ten times.
std::string SaidToPings(const TestServer::Options& options,
                        absl::Duration interval) {
  TestServer server(options);
  RawClient peer(server.server().address().port);
  peer.Send(Preface());
  for (int i = 0; i < 10; ++i) {
    absl::SleepFor(interval);
    peer.Send(absl::string_view("\0\0\x08\x06\0\0\0\0\0pingpong", 17));
  }
  // A ping of no size is an error, which ends the connection.
  peer.Send(absl::string_view("\0\0\0\x06\0\0\0\0\0", 9));
  return peer.ReadAll();
}

int Pongs(const std::string& said) {
  int pongs = 0;
  for (size_t at = said.find("pingpong"); at != std::string::npos;
       at = said.find("pingpong", at + 1)) {
    ++pongs;
  }
  return pongs;
}

TEST(PeerTimesTest, PeersMayPingThroughALongSilence) {
  TestServer::Options options;
  options.rpc.peer_times.min_ping_interval = absl::Milliseconds(10);
  const std::string said = SaidToPings(options, absl::Milliseconds(20));
  EXPECT_EQ(Pongs(said), 10);
  EXPECT_THAT(said, Not(HasSubstr("too_many_pings")));
}

TEST(PeerTimesTest, APeerThatPingsTooOftenIsSentAway) {
  const std::string said = SaidToPings({}, absl::Milliseconds(20));
  EXPECT_LT(Pongs(said), 10);
  EXPECT_THAT(said, HasSubstr("too_many_pings"));
}

}  // namespace
}  // namespace cooper::rpc
