#ifndef COOPER_CLIENT_BENCH_REPORT_H_
#define COOPER_CLIENT_BENCH_REPORT_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/bench/run_options.h"
#include "client/bench/runner.h"
#include "client/bench/sample.h"
#include "client/bench/summary.h"
#include "client/proto_names.h"
#include "cooper/v1/spatial_reasoning.pb.h"

namespace cooper::client::bench {

// What a run was, for its reports.
struct RunFacts {
  absl::Time begun_at;
  std::string server;  // the target
  int clients = 1;     // connections
  RunOptions options;
  absl::Duration deadline = absl::InfiniteDuration();
  // What was asked, as "mix" and "images", by flag.
  std::vector<Fact> workload;
  v1::GetModelResponse model;
  RunResult result;
};

// Throughput is over this time: from the end of the warm-up to the end of the
// load. Zero where the run ended before.
absl::Duration Window(const RunFacts& facts);

// Tables for reading: measures by kind and over all, throughput, errors.
std::string RenderTable(const RunFacts& facts, const Summary& summary);

// One JSON document; its keys are listed in docs/performance.md and only ever
// added to.
std::string RenderJson(const RunFacts& facts, const Summary& summary);

// One request as a line of JSON, without a newline; the warm-up's too.
std::string RenderSample(const Sample& sample);

}  // namespace cooper::client::bench

#endif  // COOPER_CLIENT_BENCH_REPORT_H_
