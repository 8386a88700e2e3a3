#ifndef COOPER_CLIENT_CLI_BENCH_FLAGS_H_
#define COOPER_CLIENT_CLI_BENCH_FLAGS_H_

#include <string>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/bench/run_options.h"
#include "client/bench/workload.h"
#include "client/cli/flags.h"
#include "client/proto_names.h"

ABSL_DECLARE_FLAG(std::string, samples);

namespace cooper::client {

// The flags that only `bench` has.
const FlagNames& BenchFlags();

// What the flags say of the load. INVALID_ARGUMENT names the flag.
absl::StatusOr<bench::RunOptions> ReadRunOptions();

// --clients. INVALID_ARGUMENT where it is out of range.
absl::StatusOr<int> ReadClients();

// What the flags say is asked.
struct BenchWorkload {
  bench::Workload workload;
  std::vector<Fact> facts;  // for the reports: flags and options that were set
};
// Reads the images and the workload file. INVALID_ARGUMENT names the flag.
absl::StatusOr<BenchWorkload> ReadWorkload();

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_BENCH_FLAGS_H_
