// The metrics listener over real sockets: what it answers, and what slow,
// broken and many peers can do to it.
#include "server/metrics/metrics_listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
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
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kGet[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr char kHead[] = "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr size_t kLargeBytes = size_t{16} << 20;

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

MetricsListenerOptions ShortTimeout() {
  MetricsListenerOptions options;
  options.timeout = absl::Milliseconds(100);
  return options;
}

// Entries of a folder of this process in /proc.
ptrdiff_t Count(const char* folder) {
  const std::filesystem::directory_iterator entries(folder);
  return std::distance(begin(entries), end(entries));
}

TEST(MetricsListenerTest, AnswersGetWithTheMetrics) {
  const auto listener = StartListener();
  const std::string response = Exchange(listener->address().port, kGet);
  EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(response, HasSubstr("\r\nContent-Type: text/plain; "
                                  "version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(response, HasSubstr("\r\nConnection: close\r\n"));
  const std::string body =
      "# HELP apples_total Apples.\n# TYPE apples_total counter\n"
      "apples_total 0\n";
  EXPECT_THAT(response,
              HasSubstr(absl::StrCat("\r\nContent-Length: ", body.size())));
  EXPECT_THAT(response, EndsWith("\r\n\r\n" + body));
}

TEST(MetricsListenerTest, AnswersHeadWithoutTheMetrics) {
  const auto listener = StartListener();
  const std::string response = Exchange(listener->address().port, kHead);
  EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(response, Not(HasSubstr("Content-Length: 0\r\n")));
  EXPECT_THAT(response, EndsWith("\r\n\r\n"));
}

TEST(MetricsListenerTest, RefusalsHaveTheirStatus) {
  const auto listener = StartListener();
  const auto refused = [&](const std::string& request, const char* status) {
    EXPECT_THAT(Exchange(listener->address().port, request),
                StartsWith(absl::StrCat("HTTP/1.1 ", status, " ")))
        << request.substr(0, 80);
  };
  refused("GET / HTTP/1.0\r\n\r\n", "404");
  refused("GET /metrics/ HTTP/1.0\r\n\r\n", "404");
  refused("GET /../etc/passwd HTTP/1.0\r\n\r\n", "404");
  refused("POST /metrics HTTP/1.0\r\nContent-Length: 4\r\n\r\nabcd", "405");
  refused("DELETE /metrics HTTP/1.0\r\n\r\n", "405");
  refused("get /metrics HTTP/1.0\r\n\r\n", "405");
  refused("hello\r\n\r\n", "400");
  refused("\x16\x03\x01\x02", "400");
  refused("GET /metrics HTTP/3.0\r\n\r\n", "505");
  refused("GET /" + std::string(1 << 20, 'a') + " HTTP/1.0\r\n\r\n", "431");
  EXPECT_THAT(
      Exchange(listener->address().port, "PUT /metrics HTTP/1.0\r\n\r\n"),
      HasSubstr("\r\nAllow: GET, HEAD\r\n"));
}

TEST(MetricsListenerTest, OldAndKeepAliveClientsGetOneResponseAndTheEnd) {
  const auto listener = StartListener();
  EXPECT_THAT(Exchange(listener->address().port,
                       "GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n"
                       "\r\n"),
              EndsWith("apples_total 0\n"));
  const std::string both =
      Exchange(listener->address().port, absl::StrCat(kGet, kGet));
  EXPECT_EQ(both.rfind("HTTP/1.1"), 0u);
}

TEST(MetricsListenerTest, RequestMayComeByteByByte) {
  const auto listener = StartListener();
  RawClient client(listener->address().port);
  for (const char c : absl::string_view(kGet)) {
    ASSERT_TRUE(client.Send(absl::string_view(&c, 1)));
  }
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 200 "));
}

TEST(MetricsListenerTest, RequestThatEndsInItsMiddleIsRefused) {
  const auto listener = StartListener();
  RawClient client(listener->address().port);
  client.Send("GET /metrics HTT");
  client.EndSending();
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 400 "));
  RawClient silent(listener->address().port);
  silent.EndSending();
  EXPECT_EQ(silent.ReadAll(), "");
}

TEST(MetricsListenerTest, HundredScrapesAtOnceAreAllAnswered) {
  const auto listener = StartListener();
  const ptrdiff_t threads = Count("/proc/self/task");
  const ptrdiff_t descriptors = Count("/proc/self/fd");
  std::vector<RawClient> clients;
  clients.reserve(100);
  for (int i = 0; i < 100; ++i) clients.emplace_back(listener->address().port);
  std::vector<std::thread> scrapers;
  scrapers.reserve(clients.size());
  std::vector<absl::Duration> took(clients.size());
  for (size_t i = 0; i < clients.size(); ++i) {
    scrapers.emplace_back([&, i] {
      const absl::Time start = absl::Now();
      clients[i].Send(kGet);
      EXPECT_THAT(clients[i].ReadAll(), EndsWith("apples_total 0\n"));
      took[i] = absl::Now() - start;
    });
  }
  for (std::thread& scraper : scrapers) scraper.join();
  std::sort(took.begin(), took.end());
  RecordProperty("p99_ms", absl::StrCat(absl::ToDoubleMilliseconds(took[98])));
  EXPECT_LT(took[98], absl::Seconds(2));
  EXPECT_EQ(Count("/proc/self/task"), threads);
  // The answer to one more comes after the ends of the others were seen.
  clients.clear();
  EXPECT_THAT(Exchange(listener->address().port, kGet), EndsWith(" 0\n"));
  EXPECT_LE(Count("/proc/self/fd"), descriptors + 1);
}

TEST(MetricsListenerTest, ConnectionsOverTheLimitAreTurnedAway) {
  MetricsListenerOptions options;
  options.max_connections = 3;
  options.timeout = absl::Minutes(1);
  const auto listener = StartListener(options);
  std::list<RawClient> idle;
  for (int i = 0; i < 3; ++i) idle.emplace_back(listener->address().port);
  EXPECT_THAT(Exchange(listener->address().port, kGet),
              StartsWith("HTTP/1.1 503 "));
  idle.pop_front();
  EXPECT_THAT(Exchange(listener->address().port, kGet),
              StartsWith("HTTP/1.1 200 "));
}

TEST(MetricsListenerTest, AFloodTakesABoundedNumberOfDescriptors) {
  MetricsListenerOptions options;
  options.max_connections = 1;
  options.timeout = absl::Minutes(1);
  const auto listener = StartListener(options);
  const ptrdiff_t descriptors = Count("/proc/self/fd");
  std::list<RawClient> flood;
  for (int i = 0; i < 100; ++i) flood.emplace_back(listener->address().port);
  flood.back().ReadAll();
  // The client's ends, one served, and those that are told of the limit.
  EXPECT_LE(Count("/proc/self/fd"), descriptors + 100 + 1 + 32);
  flood.clear();
  EXPECT_THAT(Exchange(listener->address().port, kGet),
              StartsWith("HTTP/1.1 200 "));
}

TEST(MetricsListenerTest, PeersThatNeverEndTheirHeadAreEnded) {
  const auto listener = StartListener(ShortTimeout());
  std::list<RawClient> slow;
  for (int i = 0; i < 50; ++i) {
    slow.emplace_back(listener->address().port).Send("GET /met");
  }
  EXPECT_THAT(Exchange(listener->address().port, kGet),
              StartsWith("HTTP/1.1 200 "));
  for (RawClient& client : slow) EXPECT_EQ(client.ReadAll(), "");
}

TEST(MetricsListenerTest, DrippingAHeadDoesNotExtendItsTime) {
  const auto listener = StartListener(ShortTimeout());
  RawClient client(listener->address().port);
  ASSERT_TRUE(client.Send("GET /"));
  const absl::Time start = absl::Now();
  while (!client.PeerClosedSoon() && client.Send("a")) {
    ASSERT_LT(absl::Now() - start, absl::Seconds(10));
  }
}

TEST(MetricsListenerTest, PeersThatDoNotReadAreEnded) {
  MetricsListenerOptions options = ShortTimeout();
  options.max_connections = 1;
  const auto listener = StartListener(options, /*large=*/true);
  RawClient client(listener->address().port);
  client.Send(kGet);
  const absl::Time start = absl::Now();
  std::string response;
  while (response.rfind("HTTP/1.1 200", 0) != 0) {
    ASSERT_LT(absl::Now() - start, absl::Seconds(10)) << response;
    response = Exchange(listener->address().port, kHead);
  }
  EXPECT_LT(client.ReadAll().size(), kLargeBytes);
}

TEST(MetricsListenerTest, LargeResponsesComeWhole) {
  const auto listener = StartListener({}, /*large=*/true);
  const std::string response = Exchange(listener->address().port, kGet);
  EXPECT_GT(response.size(), kLargeBytes);
  EXPECT_THAT(response.substr(response.size() - 20), EndsWith(" 0\n"));
}

TEST(MetricsListenerTest, StopsAtOnceWithConnectionsOpen) {
  auto listener = StartListener({}, /*large=*/true);
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
  const absl::Duration took = absl::Now() - start;
  RecordProperty("stop_ms", absl::StrCat(absl::ToDoubleMilliseconds(took)));
  EXPECT_LT(took, absl::Seconds(1));
  for (RawClient& client : clients) EXPECT_EQ(client.ReadAll(), "");
}

TEST(MetricsListenerTest, ListensOnIpv6) {
  const auto listener =
      MetricsListener::Start({"[::1]", 0}, {OneCounter()}, {});
  if (!listener.ok()) GTEST_SKIP() << "no IPv6: " << listener.status();
  EXPECT_THAT((*listener)->address().ToString(), StartsWith("[::1]:"));
  RawClient client((*listener)->address().port, /*six=*/true);
  ASSERT_TRUE(client.connected());
  client.Send(kGet);
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 200 "));
}

TEST(MetricsListenerTest, AnyAddressOfIpv6TakesIpv4Too) {
  const auto listener = MetricsListener::Start({"[::]", 0}, {OneCounter()}, {});
  if (!listener.ok()) GTEST_SKIP() << "no IPv6: " << listener.status();
  EXPECT_THAT(Exchange((*listener)->address().port, kGet),
              StartsWith("HTTP/1.1 200 "));
}

TEST(MetricsListenerTest, AddressesThatCannotBeHadAreErrorsThatNameThem) {
  const auto listener = StartListener();
  EXPECT_THAT(
      MetricsListener::Start(listener->address(), {OneCounter()}, {}),
      StatusIs(absl::StatusCode::kUnavailable,
               AllOf(HasSubstr(absl::StrCat("cannot listen on ",
                                            listener->address().ToString())),
                     HasSubstr("is the port in use?"))));
  // An address for documentation: no machine has it.
  EXPECT_THAT(MetricsListener::Start({"192.0.2.1", 0}, {OneCounter()}, {}),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("cannot listen on 192.0.2.1:0: ")));
}

TEST(MetricsListenerTest, PortIsFreeAgainAfterwards) {
  auto listener = StartListener();
  const base::ListenAddress address = listener->address();
  EXPECT_THAT(Exchange(address.port, kGet), StartsWith("HTTP/1.1 200 "));
  listener.reset();
  EXPECT_OK(MetricsListener::Start(address, {OneCounter()}, {}).status());
}

TEST(MetricsListenerTest, OptionsOutsideTheirRangesAreNamed) {
  MetricsListenerOptions options;
  EXPECT_OK(options.Validate());
  options.max_connections = 0;
  EXPECT_THAT(options.Validate(), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("max_connections")));
  options = {};
  options.timeout = absl::ZeroDuration();
  EXPECT_THAT(options.Validate(), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("timeout")));
}

}  // namespace
}  // namespace cooper::metrics
