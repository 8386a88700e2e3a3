#ifndef COOPER_TESTS_BENCH_ROWS_H_
#define COOPER_TESTS_BENCH_ROWS_H_

#include <string>
#include <vector>

namespace cooper::bench {

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
// {"results": [{name, value, goal, at_least, ceiling, unit, ceiling_unit,
// ok}]}; returns whether it could be written.
bool WriteJson(const std::vector<Row>& rows, const std::string& path);

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_ROWS_H_
