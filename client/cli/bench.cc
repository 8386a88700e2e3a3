// cooper bench [--json FILE]
#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/bench/report.h"
#include "client/bench/runner.h"
#include "client/bench/summary.h"
#include "client/cli/bench_flags.h"
#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/error_printer.h"
#include "client/cli/exit_code.h"

namespace cooper::client {
namespace {

using bench::RunFacts;
using bench::Sample;
using bench::Summary;

// What comes of a run: the sums, the file of samples, the first failure.
class Results {
 public:
  explicit Results(const bench::RunOptions& options)
      : summary_(options.warmup, options.LoadEnd()) {}

  // False if the file cannot be written.
  bool OpenSamples(const std::string& path) {
    samples_.emplace(path);
    return samples_->good();
  }

  void Add(const Sample& sample) {
    summary_.Add(sample);
    if (samples_.has_value()) *samples_ << RenderSample(sample) << '\n';
    if (sample.outcome != bench::Outcome::kFailed || failure_ != kAnswered) {
      return;
    }
    failure_ = ExitCodeOf(absl::Status(sample.code, sample.message),
                          sample.events > 0);
  }

  const Summary& summary() const { return summary_; }
  // Of the first request that failed.
  int failure() const { return failure_; }
  bool Close() {
    if (!samples_.has_value()) return true;
    samples_->close();
    return samples_->good();
  }

 private:
  Summary summary_;
  std::optional<std::ofstream> samples_;
  int failure_ = kAnswered;
};

void ShowProgress(const bench::RunState& state, Console* console) {
  const double seconds = absl::ToDoubleSeconds(state.elapsed);
  const std::string line = absl::StrFormat(
      "%.0f s  %d running  %d ok  %d failed  %d cancelled  %.1f ok/s", seconds,
      state.running, state.ok, state.failed, state.cancelled,
      static_cast<double>(state.ok) / std::max(seconds, 1e-3));
  const int columns = std::max(console->traits().columns, 0);
  console->Bar(line.substr(0, static_cast<size_t>(columns)));
}

// `file`: of the JSON; empty: none, or standard output by --json.
int Report(const RunFacts& facts, const std::string& file, Results* results,
           Console* console) {
  const Summary& summary = results->summary();
  if (absl::GetFlag(FLAGS_json) && file.empty()) {
    console->Line(RenderJson(facts, summary));
  } else {
    const std::string table = RenderTable(facts, summary);
    console->Line(absl::string_view(table).substr(0, table.size() - 1));
  }
  bool written = console->good() && results->Close();
  if (!file.empty()) {
    std::ofstream json(file);
    json << RenderJson(facts, summary) << '\n';
    json.close();
    written = written && json.good();
  }
  if (!written) {
    console->Problem("cooper bench: the results could not be written");
    return kFailed;
  }
  if (summary.all().requests == 0) {
    console->Problem("cooper bench: no request was counted");
    return kFailed;
  }
  return summary.all().ok == 0 ? results->failure() : kAnswered;
}

int RunLoad(const CommandContext& context, const BenchWorkload& work,
            const std::string& json_file, RunFacts facts) {
  CallOptions call_options;
  int exit_code = 0;
  auto clients = ConnectAllByFlags(context, "bench", facts.clients,
                                   &call_options, &exit_code);
  if (!clients.ok()) return exit_code;
  facts.deadline = call_options.timeout;
  v1::GetModelRequest request;
  const absl::Status named = ReadOptions(&request);
  auto model = named.ok() ? clients->front()->GetModel(request, call_options)
                          : absl::StatusOr<v1::GetModelResponse>(named);
  if (!model.ok()) {
    PrintError(model.status(), context.console);
    return ExitCodeOf(model.status(), /*any_event=*/false);
  }
  facts.model = *std::move(model);

  Results results(facts.options);
  const std::string samples = absl::GetFlag(FLAGS_samples);
  if (!samples.empty() && !results.OpenSamples(samples)) {
    return UsageError(context, "bench", "cannot write " + samples);
  }
  call_options.join_maps = false;  // nobody looks at them
  const auto runner = std::make_shared<bench::Runner>(
      facts.options, work.workload, *clients, call_options,
      [&results](const Sample& sample) { results.Add(sample); });
  context.interrupt->SetHandler([runner] { runner->Stop(); });
  facts.begun_at = absl::Now();
  facts.result = runner->Run([&context](const bench::RunState& state) {
    ShowProgress(state, context.console);
  });
  context.interrupt->SetHandler(nullptr);
  context.console->ClearBar();
  exit_code = Report(facts, json_file, &results, context.console);
  return facts.result.interrupted ? 128 + context.interrupt->signal()
                                  : exit_code;
}

int Run(const CommandContext& context) {
  // --json is a switch in all of the tool, so its file stands after it.
  const auto& arguments = context.arguments;
  if (arguments.size() > 1 ||
      (arguments.size() == 1 && !absl::GetFlag(FLAGS_json))) {
    return UsageError(context, "bench",
                      "takes no argument (see --image and --question) but "
                      "the file of --json");
  }
  const auto refuse = [&](const absl::Status& status) {
    return UsageError(context, "bench", std::string(status.message()));
  };
  RunFacts facts;
  ClientOptions connection;
  CallOptions call_options;
  absl::Status status = ReadConnection(&connection, &call_options);
  if (!status.ok()) return refuse(status);
  facts.server = connection.target;
  auto options = ReadRunOptions();
  if (!options.ok()) return refuse(options.status());
  facts.options = *options;
  const auto clients = ReadClients();
  if (!clients.ok()) return refuse(clients.status());
  facts.clients = *clients;
  auto work = ReadWorkload();
  if (!work.ok()) return refuse(work.status());
  facts.workload = work->facts;
  return RunLoad(context, *work, arguments.empty() ? "" : arguments[0],
                 std::move(facts));
}

constexpr char kNotes[] =
    "--json prints one JSON document in place of the tables; with a FILE after "
    "it,\nthe tables are printed and the document is written there. --seed is "
    "each\nrequest's, and also that of arrivals, mix and cancels (1 without "
    "it). "
    "--deadline\nis each request's; those that pass it count as failed.\n"
    "\nMeasured of requests that end well, from the arrival: first event, "
    "first "
    "text,\nfirst map step, whole request; and text gap (from one piece of a "
    "text to the\nnext), map (from its start to its last byte), send delay "
    "(from "
    "the arrival to\nthe sending). Percentiles are exact up to 4194304 "
    "values.\n"
    "\nCtrl-C ends the run, and prints what came until then. Exit code 0: at "
    "least one\nrequest ended well; if none did, that of the first failure. "
    "docs/performance.md\nsays how to read the results.\n";

}  // namespace

Command BenchCommand() {
  return {"bench",
          "[--json [FILE]]",
          "put load on the server, and tell latencies and throughput",
          Flags({BenchFlags(),
                 {"json"},
                 OptionFlags<v1::ReasonRequest>(),
                 OptionFlags<v1::GenerateImageRequest>(),
                 ConnectionFlags()}),
          Run,
          kNotes};
}

}  // namespace cooper::client
