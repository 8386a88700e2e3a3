#include "tests/bench/mixed_load.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tests/bench/bench_server.h"
#include "tests/bench/letter_model.h"
#include "tests/bench/map_caller.h"
#include "tests/bench/text_callers.h"
#include "tests/bench/timing.h"

namespace cooper::bench {
namespace {

using std::chrono::steady_clock;

constexpr int kManySteps = 99;
// Of four maps at once: what is measured is near the goal.
constexpr int kMapRounds = 5;

double SecondsBetween(steady_clock::time_point from,
                      steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

void Add(std::vector<double> values, std::vector<double>* to) {
  to->insert(to->end(), values.begin(), values.end());
}

// A question about an image that nobody else asks about.
v1::ReasonRequest ImageQuestion(int side, int seed) {
  v1::ReasonRequest request;
  request.add_inputs()->set_image(Picture(side, side, seed));
  request.add_inputs()->set_text("Which object is the nearest?");
  request.set_max_think_tokens(4);
  return request;
}

// Asks about one new image after the other, on a thread of its own.
class ImageCaller {
 public:
  ImageCaller(std::unique_ptr<client::Client> client, int first_seed)
      : client_(std::move(client)), thread_([this, first_seed] {
          for (int seed = first_seed; !stop_; ++seed) {
            TextTimes(*client_, ImageQuestion(448, seed));
          }
        }) {}
  ~ImageCaller() {
    stop_ = true;
    thread_.join();
  }

 private:
  const std::unique_ptr<client::Client> client_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// Time between tokens of a caller while another's map is drawn, and while
// others' images are encoded, against alone.
std::vector<Row> MeasureGaps(const BenchServer& server, double slice_seconds,
                             int rounds) {
  constexpr int kTokens = 100;
  const auto client = server.Connect();
  std::vector<double> alone;
  std::vector<double> beside_map;
  std::vector<double> beside_image;
  TextGaps(*client, kTokens);
  for (int i = 0; i < rounds; ++i) {
    Add(TextGaps(*client, kTokens), &alone);
    {
      MapCaller map(server.Connect(), DepthOf(256, 256, i, kManySteps));
      map.AwaitFirstStep();
      Add(TextGaps(*client, kTokens), &beside_map);
    }
    server.AwaitIdle();
    {
      const ImageCaller images(server.Connect(), 1000 * (i + 1));
      Add(TextGaps(*client, kTokens), &beside_image);
    }
    server.AwaitIdle();
  }
  const double alone_p99 = Percentile(alone, 0.99);
  std::printf("text alone: median %.1f ms, p99 %.1f ms\n", Median(alone) * 1e3,
              alone_p99 * 1e3);
  const auto row = [&](const std::vector<double>& beside, const char* what) {
    const double p99 = Percentile(beside, 0.99);
    std::printf(
        "text beside %s: median %.1f ms, p99 %.1f ms, longest %.1f ms\n", what,
        Median(beside) * 1e3, p99 * 1e3, Percentile(beside, 1.0) * 1e3);
    return Row{absl::StrCat("tokens beside ", what,
                            ": p99 gap less a slice, times alone"),
               (p99 - slice_seconds) / alone_p99,
               2.5,
               false,
               alone_p99 * 1e3,
               "ratio",
               "ms p99 alone"};
  };
  return {row(beside_map, "a map"), row(beside_image, "images")};
}

Row MeasureRepeat(const BenchServer& server, int rounds) {
  const auto client = server.Connect();
  std::vector<double> first;
  std::vector<double> again;
  std::vector<double> ratios;
  for (int i = 0; i < rounds; ++i) {
    const v1::ReasonRequest request = ImageQuestion(448, 100 + i);
    first.push_back(TextTimes(*client, request).at(0));
    again.push_back(TextTimes(*client, request).at(0));
    ratios.push_back(first.back() / again.back());
  }
  std::printf("first token: %.1f ms; asked again: %.1f ms\n",
              Median(first) * 1e3, Median(again) * 1e3);
  return {"question on the same image again: first token, times sooner",
          Median(ratios),
          5.0,
          true,
          Median(again) * 1e3,
          "ratio",
          "ms asked again"};
}

// Four maps of different sizes, asked for at once and one after the other.
std::vector<Row> MeasureMaps(const BenchServer& server, int rounds) {
  constexpr int kSteps = 5;
  constexpr int kSides[4][2] = {{320, 256}, {256, 288}, {288, 272}, {256, 256}};
  std::vector<double> starts;
  std::vector<double> ratios;
  std::vector<double> together_seconds;
  // A picture for each: nothing of it is in the prefix cache.
  int seed = 200;
  const auto call = [&](int which) {
    return std::make_unique<MapCaller>(
        server.Connect(),
        DepthOf(kSides[which][0], kSides[which][1], seed++, kSteps));
  };
  const auto apart = [&] {
    return Seconds([&] {
      for (int which = 0; which < 4; ++which) call(which)->AwaitEnd();
    });
  };
  const auto together = [&] {
    const auto begin = steady_clock::now();
    std::vector<std::unique_ptr<MapCaller>> callers;
    for (int which = 0; which < 4; ++which) {
      callers.push_back(call(which));
      callers.back()->AwaitAdmitted();
    }
    starts.push_back(SecondsBetween(begin, callers[3]->AwaitFirstStep()) /
                     SecondsBetween(begin, callers[0]->AwaitEnd()));
    for (const auto& caller : callers) caller->AwaitEnd();
    return SecondsBetween(begin, steady_clock::now());
  };
  // The one between two of the other, so that a machine that grows slower or
  // faster favours neither.
  double before = apart();
  for (int i = 0; i < rounds; ++i) {
    together_seconds.push_back(together());
    const double after = apart();
    ratios.push_back((before + after) / 2.0 / together_seconds.back());
    std::printf("four maps: %.2f s and %.2f s apart, %.2f s at once\n", before,
                after, together_seconds.back());
    before = after;
  }
  const double median = Median(together_seconds) * 1e3;
  return {{"four maps at once: fourth's first step, of the first's time",
           Median(starts), 1.0, false, median, "ratio", "ms all four"},
          {"four maps at once: times one after the other", Median(ratios), 1.0,
           true, median, "ratio", "ms all four"}};
}

// From a caller's cancel to the device's being free.
Row MeasureCancel(const BenchServer& server, double slice_seconds, int rounds) {
  std::vector<double> latencies;
  for (int i = 0; i < 8 * rounds; ++i) {
    MapCaller map(server.Connect(), DepthOf(256, 256, i % 4, kManySteps));
    map.AwaitFirstStep();
    // At another point of a step each time.
    std::this_thread::sleep_for(std::chrono::milliseconds(37 * (i % 8)));
    latencies.push_back(Seconds([&] {
      map.Cancel();
      server.AwaitIdle();
    }));
  }
  std::printf("cancel to idle: median %.1f ms, highest %.1f ms\n",
              Median(latencies) * 1e3, Percentile(latencies, 1.0) * 1e3);
  return {"cancelled map: p95 time until its work stops, in slices",
          Percentile(latencies, 0.95) / slice_seconds,
          1.0,
          false,
          slice_seconds * 1e3,
          "ratio",
          "ms a slice"};
}

}  // namespace

std::vector<Row> MeasureMixedLoad(std::unique_ptr<model::UnifiedModel> model,
                                  int rounds, const std::string& only) {
  const engine::EngineOptions options;
  const double slice = absl::ToDoubleSeconds(options.slice);
  const BenchServer server(
      std::make_unique<LetterModel>(std::move(model), absl::ZeroDuration()),
      options);
  const auto wanted = [&](const char* name) {
    return only.empty() || only == name;
  };
  std::vector<Row> rows;
  const auto add = [&](const std::vector<Row>& of_measure) {
    rows.insert(rows.end(), of_measure.begin(), of_measure.end());
  };
  if (wanted("gaps")) add(MeasureGaps(server, slice, rounds));
  if (wanted("repeat")) rows.push_back(MeasureRepeat(server, rounds));
  if (wanted("maps")) add(MeasureMaps(server, kMapRounds));
  if (wanted("cancel")) rows.push_back(MeasureCancel(server, slice, rounds));
  return rows;
}

}  // namespace cooper::bench
