#include "server/listener_probe.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/synchronization/notification.h"
#include "server/security/client_hello.h"
#include "tests/server/security/test_certificates.h"
#include "tests/server/test_server.h"

namespace cooper {
namespace {

using cooper::testing::TestServer;

// A port that listens and accepts nothing.
class DeafPort {
 public:
  DeafPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in where = {};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&where), sizeof(where)), 0);
    EXPECT_EQ(listen(fd_, 8), 0);
    socklen_t size = sizeof(where);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&where), &size);
    address_ = {"127.0.0.1", ntohs(where.sin_port)};
  }
  ~DeafPort() { close(fd_); }
  const base::ListenAddress& address() const { return address_; }

 private:
  const int fd_;
  base::ListenAddress address_;
};

TEST(ListenerProbeTest, AServerAnswersWithAndWithoutTls) {
  TestServer plain;
  EXPECT_EQ(ProbeOnce(plain.server().address(), "", absl::Seconds(10)),
            ProbeAnswer::kAnswered);
  const auto own = testing::MakeCertificate("own");
  const testing::MountedSecret secret({own.cert, own.key, own.cert});
  TestServer::Options options;
  options.rpc.tls = secret.files();  // callers must have a certificate
  TestServer tls(options);
  EXPECT_EQ(ProbeOnce(tls.server().address(), security::TlsClientHello(),
                      absl::Seconds(10)),
            ProbeAnswer::kAnswered);
}

TEST(ListenerProbeTest, AClosedPortIsNotDeaf) {
  int port = 0;
  {
    const DeafPort gone;
    port = gone.address().port;
  }
  EXPECT_EQ(ProbeOnce({"127.0.0.1", port}, "", absl::Seconds(10)),
            ProbeAnswer::kAnswered);
}

TEST(ListenerProbeTest, AListenerThatAcceptsNothingIsSilent) {
  const DeafPort deaf;
  EXPECT_EQ(ProbeOnce(deaf.address(), "hello", absl::Milliseconds(50)),
            ProbeAnswer::kSilent);
}

TEST(ListenerProbeTest, ADeafListenerIsToldOnce) {
  const DeafPort deaf;
  absl::Notification told;
  ListenerProbe::Options options;
  options.address = deaf.address();
  options.interval = absl::Milliseconds(10);
  options.patience = absl::Milliseconds(50);
  const ListenerProbe probe(options, [&] { told.Notify(); });
  EXPECT_TRUE(told.WaitForNotificationWithTimeout(absl::Seconds(10)));
  absl::SleepFor(absl::Milliseconds(100));  // a second call would end the test
}

}  // namespace
}  // namespace cooper
