#include "tests/server/engine/schedule/trace.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cooper::engine {
namespace {

// The library's distributions differ between machines.
class Draws {
 public:
  explicit Draws(uint64_t seed) : engine_(seed) {}
  double Uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Uniform() *
                                      static_cast<double>(high - low + 1));
  }
  // Whole milliseconds, so that a trace is the same once it was written.
  absl::Duration Within(double low, double high) {
    return absl::Milliseconds(
        std::round(1000 * (low + Uniform() * (high - low))));
  }

 private:
  std::mt19937_64 engine_;
};

double Seconds(absl::Duration duration) {
  return absl::ToDoubleSeconds(duration);
}

absl::Duration FromSeconds(double seconds) {
  return absl::Milliseconds(std::round(1000 * seconds));
}

}  // namespace

Trace MakeTrace(const TraceMix& mix) {
  Draws draws(mix.seed);
  Trace trace;
  double at = 0;
  while (static_cast<int>(trace.size()) < mix.count) {
    at -= std::log1p(-draws.Uniform()) * mix.burst / mix.per_second;
    for (int i = 0; i < mix.burst && static_cast<int>(trace.size()) < mix.count;
         ++i) {
      TraceRequest request;
      request.at = FromSeconds(at);
      request.client = absl::StrCat("client", draws.Between(1, mix.clients));
      if (draws.Uniform() < mix.low) request.priority = Priority::kLow;
      request.rows = draws.Between(200, 4000);
      // A third only writes, a third only draws, a third does both.
      const int64_t kind = draws.Between(0, 2);
      if (kind != 1) request.tokens = static_cast<int>(draws.Between(20, 200));
      if (kind != 0) {
        request.maps = kind == 1 ? 1 : static_cast<int>(draws.Between(1, 2));
        request.steps = static_cast<int>(draws.Between(5, 30));
        request.map_rows = draws.Between(256, 2048);
      }
      if (draws.Uniform() < mix.deadline) {
        request.deadline = draws.Within(0.2, 60);
      }
      if (draws.Uniform() < mix.cancel) request.cancel = draws.Within(0, 20);
      trace.push_back(std::move(request));
    }
  }
  return trace;
}

Trace Merge(Trace trace, const Trace& other) {
  trace.insert(trace.end(), other.begin(), other.end());
  std::sort(trace.begin(), trace.end(),
            [](const TraceRequest& a, const TraceRequest& b) {
              return std::pair(a.at, a.client) < std::pair(b.at, b.client);
            });
  return trace;
}

std::string ToJsonLines(const Trace& trace) {
  std::string lines;
  for (const TraceRequest& request : trace) {
    nlohmann::ordered_json json = {
        {"at", Seconds(request.at)},
        {"client", request.client},
        {"priority", request.priority == Priority::kLow ? "low" : "normal"},
        {"rows", request.rows},
        {"tokens", request.tokens},
        {"maps", request.maps},
        {"steps", request.steps},
        {"map_rows", request.map_rows}};
    if (request.deadline.has_value()) {
      json["deadline"] = Seconds(*request.deadline);
    }
    if (request.cancel.has_value()) json["cancel"] = Seconds(*request.cancel);
    absl::StrAppend(&lines, json.dump(), "\n");
  }
  return lines;
}

Trace FromJsonLines(const std::string& lines) {
  Trace trace;
  for (const auto line : absl::StrSplit(lines, '\n', absl::SkipEmpty())) {
    const auto json = nlohmann::json::parse(std::string(line));
    TraceRequest request;
    request.at = FromSeconds(json.at("at"));
    request.client = json.at("client");
    if (json.at("priority") == "low") request.priority = Priority::kLow;
    request.rows = json.at("rows");
    request.tokens = json.at("tokens");
    request.maps = json.at("maps");
    request.steps = json.at("steps");
    request.map_rows = json.at("map_rows");
    if (json.contains("deadline")) {
      request.deadline = FromSeconds(json["deadline"]);
    }
    if (json.contains("cancel")) request.cancel = FromSeconds(json["cancel"]);
    trace.push_back(std::move(request));
  }
  return trace;
}

}  // namespace cooper::engine
