#include "tests/bench/gpu/report.h"

#include <nlohmann/json.hpp>

namespace cooper::bench {

using Json = nlohmann::ordered_json;

std::optional<double> Measured::ratio() const {
  if (!floor.has_value()) return std::nullopt;
  return value / *floor;
}

std::optional<bool> Measured::ok() const {
  if (!goal.has_value()) return std::nullopt;
  const double judged = ratio().value_or(value);
  return at_least ? judged >= *goal : judged <= *goal;
}

Report::Report(const std::string& path) : path_(path) {
  if (!path_.empty()) file_ = std::fopen(path_.c_str(), "a");
}

Report::~Report() {
  if (file_ != nullptr) std::fclose(file_);
}

void Report::Write(const std::string& line) {
  if (file_ == nullptr) return;
  std::fprintf(file_, "%s\n", line.c_str());
  std::fflush(file_);
}

void Report::Fact(const std::string& name, const std::string& value) {
  std::printf("%-20s %s\n", name.c_str(), value.c_str());
  std::fflush(stdout);
  Write(Json{{"fact", name}, {"value", value}}.dump());
}

void Report::Rate(const std::string& name, double value) {
  Write(Json{{"rate", name}, {"value", value}}.dump());
}

void Report::Begin(const std::string& part) {
  part_ = part;
  std::printf("== %s\n", part.c_str());
  std::fflush(stdout);
  Write(Json{{"part", part_}, {"state", "begin"}}.dump());
}

void Report::End(double seconds) {
  std::printf("   %s took %.1f s\n", part_.c_str(), seconds);
  std::fflush(stdout);
  Write(Json{{"part", part_}, {"state", "end"}, {"seconds", seconds}}.dump());
}

void Report::Add(const Measured& row) {
  ++rows_;
  Json json = {{"part", part_},
               {"name", row.name},
               {"conditions", row.conditions},
               {"value", row.value},
               {"unit", row.unit}};
  std::printf("   %-52s %10.4g %-8s", row.name.c_str(), row.value,
              row.unit.c_str());
  if (row.floor.has_value()) {
    json["floor"] = *row.floor;
    json["ratio"] = *row.ratio();
    std::printf(" floor %9.4g  x %.2f", *row.floor, *row.ratio());
  }
  if (row.goal.has_value()) {
    json["goal"] = *row.goal;
    json["at_least"] = row.at_least;
    json["ok"] = *row.ok();
    std::printf("  %s %.3g %s", row.at_least ? ">=" : "<=", *row.goal,
                *row.ok() ? "ok" : "MISSED");
  }
  std::printf("\n");
  std::fflush(stdout);
  Write(json.dump());
}

void Report::Skip(const std::string& name, const std::string& reason) {
  std::printf("   %-52s skipped: %s\n", name.c_str(), reason.c_str());
  std::fflush(stdout);
  Write(Json{{"part", part_}, {"name", name}, {"skipped", reason}}.dump());
}

void Report::Kernel(const std::string& of, const std::string& kernel,
                    double launches, double microseconds) {
  Write(Json{{"part", part_},
             {"profile", of},
             {"kernel", kernel},
             {"launches", launches},
             {"us", microseconds}}
            .dump());
}

}  // namespace cooper::bench
