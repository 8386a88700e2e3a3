// A map that finds too little memory: its request fails, the server serves on.

#include <ATen/ops/empty.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "cooper/client/error.h"
#include "tests/bench/bench_server.h"
#include "tests/bench/gpu/accelerator.h"
#include "tests/bench/gpu/bench.h"
#include "tests/bench/letter_model.h"
#include "tests/bench/map_caller.h"
#include "tests/bench/text_callers.h"

namespace cooper::bench {
namespace {

// Left of the device's memory while the map is asked for: less than a step of
// it needs, enough for a text.
constexpr int64_t kLeftBytes = int64_t{256} << 20;

client::Error AskForMap(const BenchServer& server, int side) {
  const auto client = server.Connect();
  const auto stream = client->EstimateDepth(DepthOf(side, side, 7, 2));
  client::Event event;
  while (stream->Next(&event)) {
  }
  return client::Error::FromStatus(stream->Finish());
}

}  // namespace

void MeasureOutOfMemory(Bench& bench) {
  const int side = bench.sizes().map_side;
  // Random weights may say the end of the text at once.
  const BenchServer server(
      std::make_unique<LetterModel>(bench.TakeModel(), absl::ZeroDuration()),
      engine::EngineOptions());
  const auto check = [&](const char* name, bool ok) {
    Measured row;
    row.name = absl::StrCat("out of memory: ", name);
    row.conditions = bench.Conditions(absl::StrCat("one map of ", side,
                                                   "^2 with ", kLeftBytes >> 20,
                                                   " MiB left on the device"));
    row.value = ok ? 1 : 0;
    row.unit = "of 1";
    row.goal = 1;
    row.at_least = true;
    bench.report().Add(row);
  };
  if (bench.device().is_cpu()) {
    bench.report().Skip("out of memory: the map fails",
                        "only a GPU's memory "
                        "can be filled without harm");
  } else {
    // The workspace that warming up left would be enough.
    EmptyCache(bench.device());
    const int64_t free = MemoryUseOf(bench.device()).free_bytes;
    const at::Tensor ballast =
        at::empty({std::max<int64_t>(free - kLeftBytes, 0)},
                  at::TensorOptions(at::kByte).device(bench.device().device));
    const client::Error error = AskForMap(server, side);
    check("the map fails with RESOURCE_EXHAUSTED, GPU_MEMORY",
          error.code == absl::StatusCode::kResourceExhausted &&
              error.reason == "GPU_MEMORY");
    check("a text beside it is served",
          !TextGaps(*server.Connect(), 8).empty());
  }
  EmptyCache(bench.device());
  check("with memory again the map is drawn",
        AskForMap(server, side).code == absl::StatusCode::kOk);
}

}  // namespace cooper::bench
