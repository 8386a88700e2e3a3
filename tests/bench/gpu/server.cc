// A whole server on the model: what the engine adds to a token, and what texts
// and maps do to each other.

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tests/bench/bench_server.h"
#include "tests/bench/gpu/bench.h"
#include "tests/bench/letter_model.h"
#include "tests/bench/map_caller.h"
#include "tests/bench/text_callers.h"
#include "tests/bench/timing.h"

namespace cooper::bench {
namespace {

using std::chrono::steady_clock;

constexpr int kTexts = 8;
constexpr int kTextTokens = 3000;
constexpr int kManySteps = 99;

double SecondsBetween(MapCaller::Time from, MapCaller::Time to) {
  return std::chrono::duration<double>(to - from).count();
}

// Times between the pieces of text of each caller.
class Gaps {
 public:
  void Note(int caller) {
    const auto now = steady_clock::now();
    base::MutexLock lock(&mutex_);
    const auto last = last_.find(caller);
    if (last != last_.end()) gaps_.push_back(SecondsBetween(last->second, now));
    last_[caller] = now;
  }
  std::vector<double> Take() {
    base::MutexLock lock(&mutex_);
    return std::exchange(gaps_, {});
  }

 private:
  base::Mutex mutex_;
  std::map<int, steady_clock::time_point> last_ ABSL_GUARDED_BY(mutex_);
  std::vector<double> gaps_ ABSL_GUARDED_BY(mutex_);
};

class ServerBench {
 public:
  explicit ServerBench(Bench& bench)
      : bench_(bench),
        server_(std::make_unique<LetterModel>(bench.TakeModel(),
                                              absl::ZeroDuration()),
                options_) {}

  void MeasureAlone() {
    const auto client = server_.Connect();
    TextGaps(*client, bench_.sizes().rounds);
    const std::vector<double> gaps =
        TextGaps(*client, 8 * bench_.sizes().rounds);
    const std::string conditions =
        bench_.Conditions("a short context, over gRPC, events included");
    bench_.AddTime(
        "server, one text: time between tokens", conditions, Median(gaps),
        bench_.floors().Decode(1, 32.0).OverlappedSeconds(bench_.rates()));
    bench_.AddValue("server, one text: time between tokens, p99", conditions,
                    Percentile(gaps, 0.99) * 1e3, "ms");
  }

  void MeasureTextsBesideMap() {
    constexpr double kGoalMs = 50.0;
    constexpr double kSlowDown = 1.15;
    const int steps = bench_.device().is_cpu() ? 4 : 10;
    MapSeconds(1);  // fills the prefix cache
    const double alone = MapSeconds(steps);
    Gaps gaps;
    TextCallers callers(
        kTexts, [&] { return server_.Connect(); }, kTextTokens,
        [&](int caller, const std::string&) { gaps.Note(caller); });
    // One map first, so that all texts are under way.
    MapSeconds(1);
    gaps.Take();
    const double beside = MapSeconds(steps);
    const std::vector<double> between = gaps.Take();
    const std::string conditions = bench_.Conditions(absl::StrCat(
        side(), "^2, 3 branches, guidance [0, 1], ", steps, " updates"));
    const std::string what =
        absl::StrCat("server, ", kTexts, " texts beside a map");
    if (between.empty()) {
      bench_.report().Skip(what, "no text came while the map was drawn");
      return;
    }
    bench_.AddValue(absl::StrCat(what, ": time between tokens, p50"),
                    conditions, Percentile(between, 0.5) * 1e3, "ms");
    bench_.AddValue(absl::StrCat(what, ": time between tokens, p99"),
                    conditions, Percentile(between, 0.99) * 1e3, "ms", kGoalMs);
    bench_.AddValue(absl::StrCat(what, ": the map's time, of alone"),
                    conditions, beside / alone, "ratio", kSlowDown);
  }

  void MeasureCancel() {
    constexpr int kRounds = 8;
    std::vector<double> seconds(kRounds);
    for (int i = 0; i < kRounds; ++i) {
      MapCaller map(server_.Connect(), DepthOf(side(), side(), 7, kManySteps));
      map.AwaitFirstStep();
      // At another point of a step each time.
      std::this_thread::sleep_for(std::chrono::milliseconds(37 * i));
      seconds[i] = Seconds([&] {
        map.Cancel();
        server_.AwaitIdle();
      });
    }
    const double slice = absl::ToDoubleSeconds(options_.slice);
    bench_.AddValue(
        "server, cancelled map: p95 until the engine is idle",
        absl::StrCat(side(), "^2; in slices of ", slice * 1e3, " ms"),
        Percentile(seconds, 0.95) / slice, "slices", 1.0);
  }

 private:
  int side() const { return bench_.sizes().map_side; }

  // Seconds from a map's first update to its end.
  double MapSeconds(int steps) {
    MapCaller map(server_.Connect(), DepthOf(side(), side(), 7, steps));
    const MapCaller::Time first = map.AwaitFirstStep();
    return SecondsBetween(first, map.AwaitEnd());
  }

  Bench& bench_;
  const engine::EngineOptions options_;
  const BenchServer server_;
};

}  // namespace

void MeasureServer(Bench& bench) {
  ServerBench server(bench);
  server.MeasureAlone();
  server.MeasureTextsBesideMap();
  server.MeasureCancel();
}

}  // namespace cooper::bench
