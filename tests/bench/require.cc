#include "tests/bench/require.h"

#include <cstdio>
#include <cstdlib>

namespace cooper::bench {

void Require(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "benchmark: %s\n", status.ToString().c_str());
  std::_Exit(1);  // threads of servers and callers may run on
}

}  // namespace cooper::bench
