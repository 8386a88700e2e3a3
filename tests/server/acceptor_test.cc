#include "server/acceptor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "tests/server/metrics/scrape.h"
#include "tests/testing/status_matchers.h"

namespace cooper {
namespace {

using cooper::testing::StatusIs;
using ::testing::HasSubstr;

// A listener whose connections the test owns.
class AcceptorTest : public ::testing::Test {
 protected:
  ~AcceptorTest() override {
    acceptor_.reset();
    for (const int fd : clients_) close(fd);
    CloseTaken();
  }

  void Start(const ConnectionLimits& limits) {
    auto acceptor = Acceptor::Listen({"127.0.0.1", 0}, limits, &metrics_);
    ASSERT_TRUE(acceptor.ok()) << acceptor.status();
    acceptor_ = *std::move(acceptor);
    acceptor_->Start([this](int, int fd) {
      base::MutexLock lock(&mutex_);
      taken_.push_back(fd);
    });
  }

  int Connect() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in where = {};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    where.sin_port = htons(static_cast<uint16_t>(acceptor_->address().port));
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof(where)),
              0);
    clients_.push_back(fd);
    return fd;
  }

  // Whether the server closes the connection within a second.
  static bool IsClosed(int fd) {
    pollfd waited = {fd, POLLIN, 0};
    char byte = 0;
    return poll(&waited, 1, 1000) == 1 && recv(fd, &byte, 1, 0) <= 0;
  }

  void AwaitTaken(size_t count) {
    base::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return taken_.size() >= count;
    };
    EXPECT_TRUE(
        mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(10)));
  }

  void CloseTaken() {
    base::MutexLock lock(&mutex_);
    for (const int fd : std::exchange(taken_, {})) close(fd);
  }

  double Value(const char* name, const testing::Scrape::Labels& labels = {}) {
    return testing::Scrape::Parse(
               prometheus::TextSerializer().Serialize(registry_->Collect()))
        .Sum(name, labels);
  }

  void AwaitConnections(double count) {
    const absl::Time give_up = absl::Now() + absl::Seconds(10);
    while (Value("cooper_grpc_connections") != count) {
      ASSERT_LT(absl::Now(), give_up) << Value("cooper_grpc_connections");
      absl::SleepFor(absl::Milliseconds(5));
    }
  }

  std::shared_ptr<prometheus::Registry> registry_ =
      std::make_shared<prometheus::Registry>();
  metrics::ServerMetrics metrics_{registry_.get()};
  base::Mutex mutex_;
  std::vector<int> taken_ ABSL_GUARDED_BY(mutex_);
  std::vector<int> clients_;
  std::unique_ptr<Acceptor> acceptor_;
};

TEST_F(AcceptorTest, ConnectionsAreHandedOverAndCounted) {
  Start({});
  for (int i = 0; i < 5; ++i) Connect();
  AwaitTaken(5);
  AwaitConnections(5);
  CloseTaken();
  AwaitConnections(0);
}

TEST_F(AcceptorTest, AConnectionPastTheTotalIsClosedUntilThereIsRoom) {
  Start({.total = 3, .per_address = 0});
  for (int i = 0; i < 3; ++i) Connect();
  AwaitTaken(3);
  EXPECT_TRUE(IsClosed(Connect()));
  EXPECT_EQ(
      Value("cooper_grpc_connections_refused_total", {{"reason", "total"}}), 1);
  CloseTaken();
  absl::SleepFor(absl::Milliseconds(20));
  Connect();  // is seen to fit, though no sweep was due
  AwaitTaken(1);
}

TEST_F(AcceptorTest, OneAddressHasItsShareOnly) {
  Start({.total = 100, .per_address = 2});
  Connect();
  Connect();
  AwaitTaken(2);
  EXPECT_TRUE(IsClosed(Connect()));
  EXPECT_EQ(
      Value("cooper_grpc_connections_refused_total", {{"reason", "address"}}),
      1);
}

// Without descriptors nothing is accepted; with some again, what waited is.
TEST_F(AcceptorTest, WantOfDescriptorsIsSurvived) {
  Start({});
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  std::vector<int> waiting;
  for (int i = 0; i < 3; ++i)
    waiting.push_back(socket(AF_INET, SOCK_STREAM, 0));
  // The process has fewer descriptors than it has open.
  rlimit none = limit;
  none.rlim_cur = 3;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  sockaddr_in where = {};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  where.sin_port = htons(static_cast<uint16_t>(acceptor_->address().port));
  for (const int fd : waiting) {
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof(where)),
              0);
    clients_.push_back(fd);
  }
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  while (Value("cooper_grpc_connections_refused_total",
               {{"reason", "descriptors"}}) < 2 &&
         absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_GE(Value("cooper_grpc_connections_refused_total",
                  {{"reason", "descriptors"}}),
            2);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  AwaitTaken(3);
}

TEST_F(AcceptorTest, APortInUseIsNamed) {
  Start({});
  EXPECT_THAT(Acceptor::Listen(acceptor_->address(), {}, &metrics_),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr(acceptor_->address().ToString())));
}

TEST_F(AcceptorTest, NoNameIsAnError) {
  EXPECT_THAT(Acceptor::Listen({"no.such.host.invalid", 0}, {}, &metrics_),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("no.such.host.invalid")));
}

TEST_F(AcceptorTest, AfterStopNothingIsTaken) {
  Start({});
  acceptor_->Stop();
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  clients_.push_back(fd);
  sockaddr_in where = {};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  where.sin_port = htons(static_cast<uint16_t>(acceptor_->address().port));
  EXPECT_NE(connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof(where)), 0);
}

}  // namespace
}  // namespace cooper
