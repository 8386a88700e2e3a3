#ifndef COOPER_TESTS_BENCH_OVERHEAD_H_
#define COOPER_TESTS_BENCH_OVERHEAD_H_

#include <vector>

#include "tests/bench/rows.h"

namespace cooper::bench {

// What engine, gRPC and client library cost a token, with a model that costs
// nothing; beside it gRPC alone. Every figure is taken `rounds` times.
std::vector<Row> MeasureOverhead(int rounds);

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_OVERHEAD_H_
