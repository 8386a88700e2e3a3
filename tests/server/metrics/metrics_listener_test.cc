// The metrics listener over real sockets: what it answers, and what many,
// broken and stuck peers can do to it.
#include "server/metrics/metrics_listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <array>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/server/metrics/raw_client.h"
#include "tests/testing/status_matchers.h"

namespace cooper::metrics {
namespace {

using cooper::testing::Exchange;
using cooper::testing::RawClient;
using cooper::testing::StatusIs;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kGet[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr char kOk[] = "HTTP/1.1 200 OK\r\n";
constexpr char kApples[] = "\napples_total 0\n";
constexpr size_t kLargeBytes = size_t{16} << 20;

// As much thread-local storage as the libraries of CUDA have in a process: it
// is part of every thread's stack.
thread_local std::array<char, size_t{192} << 10> libraries_storage = {1};

// One counter; with a help text of 16 MiB, which no socket buffers whole, if
// `large`.
std::shared_ptr<prometheus::Registry> OneCounter(bool large = false) {
  auto registry = std::make_shared<prometheus::Registry>();
  prometheus::BuildCounter()
      .Name("apples_total")
      .Help(large ? std::string(kLargeBytes, 'h') : "Apples.")
      .Register(*registry)
      .Add({});
  return registry;
}

std::unique_ptr<MetricsListener> StartListener(
    const MetricsListenerOptions& options = {}, bool large = false) {
  auto listener =
      MetricsListener::Start({"127.0.0.1", 0}, {OneCounter(large)}, options);
  EXPECT_OK(listener.status());
  return *std::move(listener);
}

MetricsListenerOptions FewThreads() {
  MetricsListenerOptions options;
  options.threads = 2;
  options.timeout = absl::Milliseconds(500);
  return options;
}

TEST(MetricsListenerTest, AnswersGetWithTheMetrics) {
  const auto listener = StartListener();
  const std::string response = Exchange(listener->address().port, kGet);
  EXPECT_THAT(response, StartsWith(kOk));
  EXPECT_THAT(response, HasSubstr("\r\nContent-Type: text/plain"));
  EXPECT_THAT(response, HasSubstr("\n# HELP apples_total Apples.\n"
                                  "# TYPE apples_total counter\n"
                                  "apples_total 0\n"));
}

TEST(MetricsListenerTest, OtherPathsAreNotFound) {
  const auto listener = StartListener();
  for (const char* path : {"/", "/metric", "/../etc/passwd"}) {
    EXPECT_THAT(Exchange(listener->address().port,
                         absl::StrCat("GET ", path, " HTTP/1.0\r\n\r\n")),
                HasSubstr(" 404 Not Found\r\n"))
        << path;
  }
}

TEST(MetricsListenerTest, OtherMethodsAreAnsweredAndChangeNothing) {
  const auto listener = StartListener();
  for (const char* method : {"HEAD", "POST", "PUT", "DELETE", "BREW"}) {
    const std::string response = Exchange(
        listener->address().port,
        absl::StrCat(method,
                     " /metrics HTTP/1.0\r\nContent-Length: 0\r\n\r\n"));
    EXPECT_THAT(response, StartsWith("HTTP/1.")) << method;
    EXPECT_EQ(response.find(" 200 "), std::string::npos) << method;
    EXPECT_EQ(response.find(kApples), std::string::npos) << method;
  }
  EXPECT_THAT(Exchange(listener->address().port, kGet), StartsWith(kOk));
}

TEST(MetricsListenerTest, ThreadsHaveRoomBesideTheStorageOfLibraries) {
  ASSERT_EQ(libraries_storage[0], 1);
  const auto listener = StartListener();
  EXPECT_THAT(Exchange(listener->address().port, kGet), StartsWith(kOk));
}

TEST(MetricsListenerTest, HundredScrapesAtOnceAreAllAnswered) {
  const auto listener = StartListener();
  std::vector<RawClient> clients;
  clients.reserve(100);
  for (int i = 0; i < 100; ++i) clients.emplace_back(listener->address().port);
  std::vector<std::thread> scrapers;
  scrapers.reserve(clients.size());
  for (RawClient& client : clients) {
    scrapers.emplace_back([&client] {
      client.Send(kGet);
      EXPECT_THAT(client.ReadAll(), HasSubstr(kApples));
    });
  }
  for (std::thread& scraper : scrapers) scraper.join();
}

TEST(MetricsListenerTest, GarbageAndAnEndlessPathAreRefused) {
  const auto listener = StartListener();
  const std::string long_path =
      "GET /" + std::string(1 << 20, 'a') + " HTTP/1.0\r\n\r\n";
  for (const std::string& request :
       {std::string("hello\r\n\r\n"), std::string("\x16\x03\x01\x02\r\n\r\n"),
        std::string(4096, '\0') + "\r\n\r\n",
        std::string("GET /metrics HTTP/9.9\r\n\r\n"), long_path}) {
    RawClient client(listener->address().port);
    client.Send(request);
    EXPECT_EQ(client.ReadAll().find("200 OK"), std::string::npos)
        << request.substr(0, 80);
    EXPECT_THAT(Exchange(listener->address().port, kGet), StartsWith(kOk));
  }
}

// Peers that send nothing, half a request, or take no response, two for each
// thread: a scrape waits for two timeouts.
TEST(MetricsListenerTest, StuckPeersDelayAScrapeByTheirTimeoutOnly) {
  const MetricsListenerOptions options = FewThreads();
  for (const absl::string_view sent : {"", "GET /met", kGet}) {
    const auto listener = StartListener(options, /*large=*/sent == kGet);
    std::list<RawClient> stuck;
    for (int i = 0; i < 2 * options.threads; ++i) {
      stuck.emplace_back(listener->address().port).Send(sent);
    }
    const absl::Time start = absl::Now();
    EXPECT_THAT(Exchange(listener->address().port, kGet), HasSubstr(kApples));
    EXPECT_LT(absl::Now() - start, absl::Seconds(5)) << sent;
    // The first ones had to go before the scrape.
    EXPECT_LT(stuck.front().ReadAll().size(), kLargeBytes) << sent;
  }
}

TEST(MetricsListenerTest, StopsAtOnceWithoutConnections) {
  auto listener = StartListener();
  EXPECT_THAT(Exchange(listener->address().port, kGet), StartsWith(kOk));
  const absl::Time start = absl::Now();
  listener.reset();
  EXPECT_LT(absl::Now() - start, absl::Seconds(1));
}

TEST(MetricsListenerTest, StopWaitsForStuckPeersUpToTheTimeout) {
  const MetricsListenerOptions options;
  auto listener = StartListener(options, /*large=*/true);
  std::list<RawClient> clients;
  for (int i = 0; i < 10; ++i) {
    clients.emplace_back(listener->address().port);
    clients.emplace_back(listener->address().port).Send("GET /met");
  }
  RawClient reader(listener->address().port);
  reader.Send(kGet);
  ASSERT_TRUE(reader.WaitForBytes());
  const absl::Time start = absl::Now();
  listener.reset();
  EXPECT_LT(absl::Now() - start, options.timeout + absl::Seconds(1));
}

TEST(MetricsListenerTest, ListensOnIpv6) {
  const auto listener =
      MetricsListener::Start({"[::1]", 0}, {OneCounter()}, {});
  if (!listener.ok()) GTEST_SKIP() << "no IPv6: " << listener.status();
  EXPECT_THAT((*listener)->address().ToString(), StartsWith("[::1]:"));
  RawClient client((*listener)->address().port, /*six=*/true);
  ASSERT_TRUE(client.connected());
  client.Send(kGet);
  EXPECT_THAT(client.ReadAll(), StartsWith(kOk));
}

TEST(MetricsListenerTest, AnyAddressOfIpv6TakesIpv4Too) {
  const auto listener = MetricsListener::Start({"[::]", 0}, {OneCounter()}, {});
  if (!listener.ok()) GTEST_SKIP() << "no IPv6: " << listener.status();
  EXPECT_THAT(Exchange((*listener)->address().port, kGet), StartsWith(kOk));
  RawClient client((*listener)->address().port, /*six=*/true);
  client.Send(kGet);
  EXPECT_THAT(client.ReadAll(), StartsWith(kOk));
}

TEST(MetricsListenerTest, NamesAreLookedUp) {
  const auto listener =
      MetricsListener::Start({"localhost", 0}, {OneCounter()}, {});
  ASSERT_OK(listener.status());
  EXPECT_THAT((*listener)->address().ToString(), StartsWith("localhost:"));
  EXPECT_NE((*listener)->address().port, 0);
}

TEST(MetricsListenerTest, AddressesThatCannotBeHadAreErrorsThatNameThem) {
  const auto listener = StartListener();
  EXPECT_THAT(
      MetricsListener::Start(listener->address(), {OneCounter()}, {}),
      StatusIs(absl::StatusCode::kUnavailable,
               AllOf(HasSubstr(absl::StrCat("cannot listen on ",
                                            listener->address().ToString())),
                     HasSubstr("is the port in use"))));
  // An address for documentation: no machine has it.
  EXPECT_THAT(MetricsListener::Start({"192.0.2.1", 0}, {OneCounter()}, {}),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("cannot listen on 192.0.2.1:0: ")));
}

TEST(MetricsListenerTest, PortIsFreeAgainAfterwards) {
  auto listener = StartListener();
  const base::ListenAddress address = listener->address();
  EXPECT_THAT(Exchange(address.port, kGet), StartsWith(kOk));
  listener.reset();
  EXPECT_OK(MetricsListener::Start(address, {OneCounter()}, {}).status());
}

TEST(MetricsListenerTest, OptionsOutsideTheirRangesAreNamed) {
  MetricsListenerOptions options;
  EXPECT_OK(options.Validate());
  options.threads = 0;
  EXPECT_THAT(options.Validate(), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("threads")));
  options = {};
  options.timeout = absl::ZeroDuration();
  EXPECT_THAT(options.Validate(), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("timeout")));
}

}  // namespace
}  // namespace cooper::metrics
