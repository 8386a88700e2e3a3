// What the model takes of the device, and whether the host's memory grows with
// every new length of a context.

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "tests/bench/gpu/accelerator.h"
#include "tests/bench/gpu/bench.h"
#include "tests/bench/gpu/scene.h"
#include "tests/bench/network_calls.h"
#include "tests/bench/require.h"
#include "tests/bench/timing.h"

namespace cooper::bench {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;

// The largest shapes one after the other, as one request has them.
void RunLargest(Bench& bench) {
  const int side = bench.sizes().map_side;
  const Scene scene(bench, side);
  const auto flow =
      StartMap(bench.model(), scene.cond(), scene.no_image(), side);
  StepOne(bench.model(), flow.get());
  model::VaeDecodeItem item;
  item.denoiser = flow.get();
  Require(bench.model().VaeDecode(absl::MakeSpan(&item, 1)));
  Require(item.status);
}

// MiB that the process grew by from the first tenth of the tokens on.
double GrowthMiB(Bench& bench, int tokens, double budget_seconds,
                 int* decoded) {
  const auto context = ContextOf(bench.model(), bench.sizes().text);
  int64_t before = 0;
  double spent = 0.0;
  for (*decoded = 0; *decoded < tokens && spent < budget_seconds; ++*decoded) {
    if (*decoded == tokens / 10) before = ResidentBytes();
    spent += Seconds([&] { DecodeOne(bench.model(), context.get()); });
  }
  return static_cast<double>(ResidentBytes() - before) / kMiB;
}

}  // namespace

void MeasureMemory(Bench& bench) {
  constexpr double kGrowthSeconds = 40.0;
  constexpr double kGrowthGoalMiB = 16.0;
  const torch_model::TorchModel& model = bench.model();
  EmptyCache(bench.device());
  const MemoryUse idle = MemoryUseOf(bench.device());
  ResetPeak(bench.device());
  RunLargest(bench);
  const MemoryUse used = MemoryUseOf(bench.device());
  const std::string conditions = bench.Conditions(
      absl::StrCat("pool chosen by the model; prefill, a step under 3 branches "
                   "and decoding at ",
                   bench.sizes().map_side, "^2"));
  const auto add = [&](const char* name, int64_t bytes) {
    bench.AddValue(absl::StrCat("memory: ", name), conditions,
                   static_cast<double>(bytes) / kGiB, "GiB");
  };
  add("weights", model.info().weight_bytes);
  add("KV pool", model.kv_usage().capacity_bytes);
  if (bench.device().is_cpu()) {
    add("resident after the largest shapes", used.allocated_bytes);
  } else {
    add("workspace, most at once", used.peak_bytes - idle.allocated_bytes);
  }
  add("free of the device, idle", idle.free_bytes);
  add("free of the device, after the largest shapes", used.free_bytes);
  int decoded = 0;
  const double growth =
      GrowthMiB(bench, bench.sizes().growth_tokens, kGrowthSeconds, &decoded);
  bench.AddValue(
      "memory: growth of the host's over new lengths",
      absl::StrCat(decoded, " tokens one by one, the first tenth not counted"),
      growth, "MiB", kGrowthGoalMiB);
}

}  // namespace cooper::bench
