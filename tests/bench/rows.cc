#include "tests/bench/rows.h"

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

namespace cooper::bench {

void PrintTable(const std::vector<Row>& rows) {
  std::printf("%-58s %10s %12s  %-8s %s\n", "measure", "value", "goal", "",
              "beside it");
  for (const Row& row : rows) {
    std::printf("%-58s %10.3f %s %9.3f  %-8s %.3g %s\n", row.name.c_str(),
                row.value, row.at_least ? ">=" : "<=", row.goal,
                row.ok() ? "ok" : "MISSED", row.ceiling,
                row.ceiling_unit.c_str());
  }
}

bool WriteJson(const std::vector<Row>& rows, const std::string& path) {
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    results.push_back({{"name", row.name},
                       {"value", row.value},
                       {"goal", row.goal},
                       {"at_least", row.at_least},
                       {"ceiling", row.ceiling},
                       {"unit", row.unit},
                       {"ceiling_unit", row.ceiling_unit},
                       {"ok", row.ok()}});
  }
  std::ofstream file(path);
  file << nlohmann::ordered_json{{"results", results}}.dump(1) << "\n";
  return file.good();
}

}  // namespace cooper::bench
