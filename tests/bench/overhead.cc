#include "tests/bench/overhead.h"

#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "model/fake/fake_model.h"
#include "tests/bench/bare_server.h"
#include "tests/bench/bench_server.h"
#include "tests/bench/letter_model.h"
#include "tests/bench/text_callers.h"
#include "tests/bench/timing.h"

namespace cooper::bench {
namespace {

using Connect = std::function<std::unique_ptr<client::Client>()>;

constexpr int kStreams = 32;
constexpr int kTokensPerText = 4000;
constexpr auto kWarmUp = std::chrono::milliseconds(300);
constexpr auto kWindow = std::chrono::milliseconds(1500);
constexpr double kEventsPerSecond = 1000.0;

// A server whose model writes letters at no cost.
struct LetterServer {
  explicit LetterServer(absl::Duration period) {
    auto letters = std::make_unique<LetterModel>(
        std::make_unique<fake::FakeModel>(fake::FakeScript()), period);
    model = letters.get();
    engine::EngineOptions options;
    options.max_running = kStreams;
    server = std::make_unique<BenchServer>(std::move(letters), options);
  }
  const LetterModel* model;
  std::unique_ptr<BenchServer> server;
};

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Rate {
  double tokens = 0.0;  // a second
  double pieces = 0.0;
  double cpu_us = 0.0;  // of server and clients, a token
};

// What 32 callers get together as fast as it goes.
Rate MeasureRate(const Connect& connect) {
  std::atomic<int64_t> tokens{0};
  std::atomic<int64_t> pieces{0};
  const TextCallers callers(
      kStreams, connect, kTokensPerText, [&](int, const std::string& text) {
        tokens.fetch_add(static_cast<int64_t>(text.size()),
                         std::memory_order_relaxed);
        pieces.fetch_add(1, std::memory_order_relaxed);
      });
  std::this_thread::sleep_for(kWarmUp);
  const int64_t tokens_before = tokens;
  const int64_t pieces_before = pieces;
  const double cpu_before = CpuSeconds();
  const double seconds = Seconds([] { std::this_thread::sleep_for(kWindow); });
  const auto delivered = static_cast<double>(tokens - tokens_before);
  return {delivered / seconds,
          static_cast<double>(pieces - pieces_before) / seconds,
          (CpuSeconds() - cpu_before) / delivered * 1e6};
}

// Microseconds from a token's being made to the caller's having it, where
// `streams` callers together get 1000 a second: the median.
template <typename Server>
double MeasureLatency(const Server& server, const BatchStamps& stamps,
                      int streams) {
  std::vector<std::vector<double>> latencies(streams);
  std::atomic<bool> counts{false};
  {
    const CallbackCallers callers(
        streams, server.port(), kTokensPerText,
        [&](int caller, const std::string& text) {
          if (!counts) return;
          for (const char letter : text) {
            latencies[caller].push_back(stamps.MicrosecondsSince(letter));
          }
        });
    std::this_thread::sleep_for(kWarmUp);
    counts = true;
    std::this_thread::sleep_for(kWindow);
    counts = false;
  }
  std::vector<double> all;
  for (const auto& of_caller : latencies) {
    all.insert(all.end(), of_caller.begin(), of_caller.end());
  }
  std::printf("  %zu tokens to %d callers: median %.0f us, p99 %.0f us\n",
              all.size(), streams, Median(all), Percentile(all, 0.99));
  return Median(all);
}

Row RateRow(int rounds) {
  std::vector<double> tokens;
  std::vector<double> bare;
  for (int i = 0; i < rounds; ++i) {
    const LetterServer ours(absl::ZeroDuration());
    const Rate rate = MeasureRate([&] { return ours.server->Connect(); });
    const BareServer grpc(absl::ZeroDuration());
    const Rate alone = MeasureRate([&] { return grpc.Connect(); });
    std::printf(
        "overhead: %.0f tokens/s in %.0f pieces/s, %.1f us of CPU a token; "
        "gRPC alone: %.0f messages/s, %.1f us\n",
        rate.tokens, rate.pieces, rate.cpu_us, alone.pieces, alone.cpu_us);
    tokens.push_back(rate.tokens);
    bare.push_back(alone.pieces);
  }
  return {"server at no model cost, 32 streams: token events a second",
          Median(tokens),
          40000.0,
          true,
          Median(bare),
          "1/s",
          "messages/s of gRPC alone"};
}

Row LatencyRow(int rounds, int streams, const std::string& name) {
  const absl::Duration period = absl::Seconds(streams / kEventsPerSecond);
  std::vector<double> ours;
  std::vector<double> bare;
  for (int i = 0; i < rounds; ++i) {
    std::printf("token to callback, server, then gRPC alone:\n");
    const LetterServer server(period);
    ours.push_back(
        MeasureLatency(*server.server, server.model->stamps(), streams));
    const BareServer grpc(period);
    bare.push_back(MeasureLatency(grpc, grpc.stamps(), streams));
  }
  return {name, Median(ours),      100.0, false, Median(bare),
          "us", "us of gRPC alone"};
}

}  // namespace

std::vector<Row> MeasureOverhead(int rounds) {
  return {RateRow(rounds),
          LatencyRow(rounds, 1,
                     "token to the client at 1,000 events/s, one stream"),
          LatencyRow(rounds, kStreams,
                     "token to the client at 1,000 events/s, 32 streams")};
}

}  // namespace cooper::bench
