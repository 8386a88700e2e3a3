// The network on a GPU beside floors that follow from the GPU's own rates,
// taken in the same run (docs/performance.md). scripts/gpu-check runs it on a
// host that has little else; on a CPU, with a small shape, it is a test of
// itself.

#include <c10/core/InferenceMode.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "model/torch/process.h"
#include "tests/bench/gpu/accelerator.h"
#include "tests/bench/gpu/bench.h"
#include "tests/bench/gpu/report.h"
#include "tests/bench/timing.h"

ABSL_FLAG(std::string, device, "cuda:0", "cuda:N or cpu");
ABSL_FLAG(std::string, dtype, "auto", "auto, float32 or bfloat16");
ABSL_FLAG(std::string, shape, "7b", "7b, small or nano");
ABSL_FLAG(std::string, kernels, "auto", "auto or generic");
ABSL_FLAG(int, layers, 0, "layers of the language model; 0: the shape's own");
ABSL_FLAG(std::vector<std::string>, only, {},
          "parts to run, in this order; empty: all (--help names them)");
ABSL_FLAG(std::string, json, "",
          "file to append results to, one JSON object a line; empty: none");
ABSL_FLAG(double, budget, 0,
          "no part begins after this many seconds; 0: no limit");
ABSL_FLAG(std::string, scratch, "", "folder for checkpoints; empty: /tmp");
ABSL_FLAG(double, copy_rate, 0,
          "bytes/s of copying that an earlier run on this GPU measured; 0: "
          "measure it");
ABSL_FLAG(double, product_rate, 0, "the same, FLOP/s of products");

namespace cooper::bench {
namespace {

// Exit codes beside 0 and 1 (a part failed).
constexpr int kUsage = 2;
constexpr int kNoDevice = 77;

struct Part {
  const char* name;
  void (*measure)(Bench&);
};
constexpr Part kParts[] = {
    {"decode", MeasureDecode},
    // Before others use the autoencoder: it measures first calls.
    {"vae", MeasureVae},
    {"flow", MeasureFlow},
    {"prefill", MeasurePrefill},
    {"memory", MeasureMemory},
    {"deterministic", MeasureDeterministic},
    {"products", MeasureProducts},
    {"attention", MeasureAttention},
    {"server", MeasureServer},
    {"oom", MeasureOutOfMemory},
    {"load", MeasureLoad},
};

std::string PartNames() {
  return absl::StrCat(
      "facts, rates, ",
      absl::StrJoin(kParts, ", ", [](std::string* out, const Part& part) {
        out->append(part.name);
      }));
}

// A folder that is removed with what is in it.
class Scratch {
 public:
  explicit Scratch(const std::string& parent)
      : path_(absl::StrCat(parent.empty() ? "/tmp" : parent, "/gpu_bench.",
                           getpid())) {
    std::filesystem::create_directories(path_);
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

void RunPart(Bench& bench, const Part& part) {
  bench.report().Begin(part.name);
  bench.report().End(Seconds([&] { part.measure(bench); }));
  // Memory that the next part's large tensors may need.
  EmptyCache(bench.device());
}

int RunAll(Bench& bench, std::vector<std::string> names) {
  if (names.empty()) {
    for (const Part& part : kParts) names.emplace_back(part.name);
  }
  for (const auto& [name, value] : Facts(bench.device())) {
    bench.report().Fact(name, value);
  }
  const Rates given = {absl::GetFlag(FLAGS_copy_rate),
                       absl::GetFlag(FLAGS_product_rate)};
  const double budget = absl::GetFlag(FLAGS_budget);
  double spent = 0.0;
  if (given.copy_bytes_per_second > 0 && given.product_flop_per_second > 0) {
    bench.set_rates(given);
  } else if (names != std::vector<std::string>{"facts"}) {
    spent += Seconds([&] { RunPart(bench, {"rates", MeasureRates}); });
  }
  for (const std::string& name : names) {
    if (name == "facts" || name == "rates") continue;
    for (const Part& part : kParts) {
      if (name != part.name) continue;
      if (budget > 0 && spent > budget) {
        std::printf("== %s left out: the budget is spent\n", part.name);
        continue;
      }
      spent += Seconds([&] { RunPart(bench, part); });
    }
  }
  return 0;
}

int Fail(int code, const std::string& message) {
  std::fprintf(stderr, "gpu_bench: %s\n", message.c_str());
  return code;
}

int Main() {
  const std::vector<std::string> names = absl::GetFlag(FLAGS_only);
  const std::vector<std::string> known =
      absl::StrSplit(PartNames(), absl::ByString(", "));
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return Fail(kUsage, absl::StrCat("--only: no part \"", name,
                                       "\"; there are ", PartNames()));
    }
  }
  const Scratch scratch(absl::GetFlag(FLAGS_scratch));
  const BenchOptions options = {
      absl::GetFlag(FLAGS_device), absl::GetFlag(FLAGS_dtype),
      absl::GetFlag(FLAGS_shape),  absl::GetFlag(FLAGS_kernels),
      absl::GetFlag(FLAGS_layers), scratch.path()};
  Report report(absl::GetFlag(FLAGS_json));
  if (!report.ok()) {
    return Fail(kUsage,
                absl::StrCat("cannot write ", absl::GetFlag(FLAGS_json)));
  }
  const auto bench = Bench::Create(options, &report);
  if (!bench.ok()) {
    return Fail(absl::IsFailedPrecondition(bench.status()) ? kNoDevice : kUsage,
                std::string(bench.status().message()));
  }
  const c10::InferenceMode no_gradients;
  return RunAll(**bench, names);
}

}  // namespace
}  // namespace cooper::bench

int main(int argc, char** argv) {
  cooper::torch_model::PrepareProcess(argv);
  absl::SetProgramUsageMessage(absl::StrCat(
      "gpu_bench [--device cuda:0] [--shape 7b] [--only PART,...] [--json FILE]"
      "\nMeasures the network on a GPU beside floors from the GPU's own rates."
      "\nParts: ",
      cooper::bench::PartNames()));
  absl::ParseCommandLine(argc, argv);
  try {
    return cooper::bench::Main();
  } catch (const std::exception& error) {  // libtorch's, in a part
    std::fprintf(stderr, "gpu_bench: %s\n", error.what());
    return 1;
  }
}
