#ifndef COOPER_TESTS_BENCH_GPU_REPORT_H_
#define COOPER_TESTS_BENCH_GPU_REPORT_H_

#include <cstdio>
#include <optional>
#include <string>

namespace cooper::bench {

// One figure of a GPU run. Without a floor the goal is of the value itself,
// with one it is of the ratio of both.
struct Measured {
  std::string name;
  std::string conditions;  // branches, guidance interval, updates, layers
  double value = 0.0;
  std::string unit;
  // From this run's own rates, in `unit`.
  std::optional<double> floor;
  std::optional<double> goal;
  bool at_least = false;  // else: at most

  // How often the floor: value / floor for times (at_most), and the share of
  // the ceiling for rates.
  std::optional<double> ratio() const;
  // Empty without a goal.
  std::optional<bool> ok() const;
};

// Writes what is measured as it comes: a line for a reader to stdout, and one
// JSON object a line to a file, flushed each time, so that a program that is
// killed loses nothing.
//
//   {"fact": NAME, "value": TEXT}
//   {"rate": NAME, "value": NUMBER}
//   {"part": NAME, "state": "begin" | "end", "seconds": S}
//   {"part": NAME, "name": ..., "conditions": ..., "value": ..., "unit": ...,
//    "floor": ..., "ratio": ..., "goal": ..., "at_least": ..., "ok": ...}
//   {"part": NAME, "name": ..., "skipped": REASON}
//   {"part": NAME, "profile": OF, "kernel": NAME, "launches": N, "us": TIME}
class Report {
 public:
  // Appends to `path`; empty: stdout only. INVARIANT: one part at a time.
  explicit Report(const std::string& path);
  ~Report();
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  bool ok() const { return path_.empty() || file_ != nullptr; }
  void Fact(const std::string& name, const std::string& value);
  // A ceiling of this run, which a later process can be given: in units, not
  // in thousands of them.
  void Rate(const std::string& name, double value);
  void Begin(const std::string& part);
  void End(double seconds);
  void Add(const Measured& row);
  void Skip(const std::string& name, const std::string& reason);
  // The time of one kernel in a step of what `of` names. It is no row of the
  // table: a profile has many lines.
  void Kernel(const std::string& of, const std::string& kernel, double launches,
              double microseconds);
  int rows() const { return rows_; }

 private:
  void Write(const std::string& line);

  const std::string path_;
  std::FILE* file_ = nullptr;
  std::string part_;
  int rows_ = 0;
};

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_GPU_REPORT_H_
