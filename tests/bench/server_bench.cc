// What a caller of the whole server gets, against goals that are ratios inside
// one run (see docs/performance.md). Server and clients share this process.

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "server/model_loader.h"
#include "tests/bench/mixed_load.h"
#include "tests/bench/overhead.h"
#include "tests/bench/require.h"
#include "tests/bench/rows.h"

ABSL_FLAG(std::string, checkpoint, "",
          "checkpoint directory; empty: only what needs no network");
ABSL_FLAG(std::string, json, "", "file for the results; empty: none");
ABSL_FLAG(std::string, only, "",
          "overhead, gaps, repeat, maps or cancel; empty: all");
ABSL_FLAG(int, rounds, 3, "rounds of each measure; of four maps at once five");

namespace cooper::bench {
namespace {

int Main() {
  const std::string only = absl::GetFlag(FLAGS_only);
  const std::string checkpoint = absl::GetFlag(FLAGS_checkpoint);
  const int rounds = absl::GetFlag(FLAGS_rounds);
  std::vector<Row> rows;
  if (only.empty() || only == "overhead") rows = MeasureOverhead(rounds);
  if (!checkpoint.empty() && only != "overhead") {
    ModelSource source;
    source.checkpoint_dirs = {checkpoint};
    source.device = "cpu";
    source.dtype = "float32";
    Require(source.Validate());
    auto model = LoadModel(source);
    Require(model.status());
    Require((*model)->WarmUp());
    for (Row& row : MeasureMixedLoad(*std::move(model), rounds, only)) {
      rows.push_back(std::move(row));
    }
  }
  PrintTable(rows);
  const std::string json = absl::GetFlag(FLAGS_json);
  if (!json.empty() && !WriteJson(rows, json)) {
    std::fprintf(stderr, "server_bench: cannot write %s\n", json.c_str());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace cooper::bench

int main(int argc, char** argv) {
  cooper::PrepareProcess(argv);
  absl::SetProgramUsageMessage(
      "server_bench [--checkpoint DIR] [--json FILE]\n"
      "Measures a whole server over the loopback interface.");
  absl::ParseCommandLine(argc, argv);
  return cooper::bench::Main();
}
