#ifndef COOPER_TESTS_BENCH_REQUIRE_H_
#define COOPER_TESTS_BENCH_REQUIRE_H_

#include "absl/status/status.h"

namespace cooper::bench {

// Ends the program with a line on stderr unless `status` is OK.
void Require(const absl::Status& status);

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_REQUIRE_H_
