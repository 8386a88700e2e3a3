#ifndef COOPER_TESTS_BENCH_TIMING_H_
#define COOPER_TESTS_BENCH_TIMING_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

// Measuring on shared, noisy machines: what is compared is run in turn, and
// the ratio is taken pair by pair.

namespace cooper::bench {

double Median(std::vector<double> values);

// Seconds of one call.
double Seconds(const std::function<void()>& work);

struct Paired {
  double a_seconds = 0.0;  // medians
  double b_seconds = 0.0;
  double ratio = 0.0;  // median of a/b
};
// A B A B ... `rounds` times, after one round that is not counted.
Paired MeasurePaired(int rounds, const std::function<void()>& a,
                     const std::function<void()>& b);

// Reads memory as fast as ATen's threads can, in huge pages and asking ahead:
// the ceiling of everything that streams weights.
class ReadBandwidth {
 public:
  // A buffer of `bytes`, larger than the caches.
  explicit ReadBandwidth(int64_t bytes);
  void Read();  // once through
  int64_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* memory) const;
  };
  int64_t bytes_;
  std::unique_ptr<uint64_t, Free> words_;
  uint64_t sink_ = 0;
};

// Resident bytes of this process, now and at its highest.
int64_t ResidentBytes();

// One line of the result: measured, goal, the machine's ceiling beside it.
struct Row {
  std::string name;
  double value = 0.0;
  double goal = 0.0;
  bool at_least = true;  // else: at most
  double ceiling = 0.0;
  std::string unit;  // of value and goal
  std::string ceiling_unit;
  bool ok() const { return at_least ? value >= goal : value <= goal; }
};
void PrintTable(const std::vector<Row>& rows);
// {"results": [{name, value, goal, ceiling, unit, ok}]}; returns whether it
// could be written.
bool WriteJson(const std::vector<Row>& rows, const std::string& path);

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_TIMING_H_
