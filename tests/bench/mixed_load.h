#ifndef COOPER_TESTS_BENCH_MIXED_LOAD_H_
#define COOPER_TESTS_BENCH_MIXED_LOAD_H_

#include <memory>
#include <string>
#include <vector>

#include "model/unified_model.h"
#include "tests/bench/rows.h"

namespace cooper::bench {

// What callers of text and callers of maps do to each other on `model`, by a
// server with default options. `only`: gaps, repeat, maps or cancel; empty:
// all.
std::vector<Row> MeasureMixedLoad(std::unique_ptr<model::UnifiedModel> model,
                                  int rounds, const std::string& only);

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_MIXED_LOAD_H_
