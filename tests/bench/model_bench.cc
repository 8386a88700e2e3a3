// What the network costs beside what the machine could do: ratios, each taken
// in one run (see docs/performance.md).

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <c10/core/InferenceMode.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/torch/process.h"
#include "model/torch/torch_model.h"
#include "tests/bench/matrix_products.h"
#include "tests/bench/network_calls.h"
#include "tests/bench/read_bandwidth.h"
#include "tests/bench/require.h"
#include "tests/bench/rows.h"
#include "tests/bench/timing.h"

ABSL_FLAG(std::string, checkpoint, "", "checkpoint directory");
ABSL_FLAG(std::string, json, "", "file for the results; empty: none");
ABSL_FLAG(std::string, only, "",
          "request, decode, batch, flow, branches or maps; empty: all");
ABSL_FLAG(int, rounds, 15, "counted rounds of each measure");
ABSL_FLAG(int, context, 512, "tokens of text before what is measured");
ABSL_FLAG(int, map_size, 256, "side of the map in px");
ABSL_FLAG(int, threads, 0, "threads of one operator; 0: the usable cores");

namespace cooper::bench {
namespace {

using torch_model::TorchModel;

constexpr double kMiB = 1024.0 * 1024.0;

Row MeasureDecode(TorchModel& model, int rounds) {
  constexpr int kTokens = 8;  // per round
  ReadBandwidth read(model.transformer().und_weight_bytes());
  const auto base = ContextOf(model, absl::GetFlag(FLAGS_context));
  const Paired paired = MeasurePaired(
      rounds,
      [&] {
        for (int i = 0; i < kTokens; ++i) read.Read();
      },
      [&] {
        const auto context = base->Fork();
        for (int i = 0; i < kTokens; ++i) DecodeOne(model, context.get());
      });
  std::printf("decode: %.2f ms a token; reading %.0f MB once: %.2f ms\n",
              paired.b_seconds / kTokens * 1e3,
              static_cast<double>(read.bytes()) / 1e6,
              paired.a_seconds / kTokens * 1e3);
  return {"decode, one stream: share of reading the weights once",
          paired.ratio,
          0.8,
          true,
          static_cast<double>(read.bytes()) * kTokens / paired.a_seconds / 1e9,
          "ratio",
          "GB/s read"};
}

// Streams that decode together, against one: rate of tokens.
Row MeasureBatch(TorchModel& model, int rounds) {
  constexpr int kStreams = 8;
  const auto base = ContextOf(model, absl::GetFlag(FLAGS_context));
  const Paired paired = MeasurePaired(
      rounds,
      [&] {
        const auto context = base->Fork();
        for (int i = 0; i < kStreams; ++i) DecodeOne(model, context.get());
      },
      [&] {
        std::vector<std::unique_ptr<model::Context>> contexts;
        std::vector<model::DecodeItem> items(kStreams);
        for (model::DecodeItem& item : items) {
          contexts.push_back(base->Fork());
          item.context = contexts.back().get();
          item.token = 65;
        }
        Require(model.Decode(absl::MakeSpan(items)));
        for (const model::DecodeItem& item : items) Require(item.status);
      });
  std::printf("decode, %d streams: %.2f ms a batch\n", kStreams,
              paired.b_seconds * 1e3);
  return {"decode, 8 streams: times the tokens/s of one",
          paired.ratio,
          3.5,
          true,
          kStreams / paired.b_seconds,
          "ratio",
          "tokens/s together"};
}

Row MeasureFlow(TorchModel& model, int rounds) {
  const int tokens = absl::GetFlag(FLAGS_context);
  const auto cond = ContextOf(model, tokens);
  const auto no_image = ContextOf(model, tokens);
  const auto flow =
      StartMap(model, *cond, *no_image, absl::GetFlag(FLAGS_map_size));
  const int64_t rows = flow->latent_tokens();
  const MatrixProducts products(model.llm_config(), 6, 3 * rows, 3, tokens);
  const Paired paired = MeasurePaired(
      rounds, [&] { StepOne(model, flow.get()); }, [&] { products.Run(); });
  std::printf(
      "denoising step, 3 x %lld latents: %.1f ms; products alone: %.1f ms "
      "(%s)\n",
      static_cast<long long>(rows), paired.a_seconds * 1e3,
      paired.b_seconds * 1e3, products.Choices().c_str());
  return {"denoising step, three branches: times its matrix products",
          paired.ratio,
          1.1,
          false,
          products.flop() / paired.b_seconds / 1e9,
          "ratio",
          "GFLOP/s of the products"};
}

// The three branches of a step in one pass, against one pass for each.
Row MeasureBranches(TorchModel& model, int rounds) {
  const auto cond = ContextOf(model, absl::GetFlag(FLAGS_context));
  const auto other = ContextOf(model, absl::GetFlag(FLAGS_context));
  const int side = absl::GetFlag(FLAGS_map_size);
  const auto packed = StartMap(model, *cond, *other, side);
  const auto alone = StartMap(model, *cond, *other, side, /*guided=*/false);
  const Paired paired = MeasurePaired(
      rounds, [&] { StepOne(model, packed.get()); },
      [&] {
        for (int i = 0; i < 3; ++i) StepOne(model, alone.get());
      });
  return {"denoising step, three branches packed: times run apart",
          paired.ratio,
          1.0,
          false,
          paired.b_seconds * 1e3,
          "ratio",
          "ms apart"};
}

// A step of four maps of different sizes together, against one after the other.
Row MeasureMaps(TorchModel& model, int rounds) {
  const auto cond = ContextOf(model, absl::GetFlag(FLAGS_context));
  const int side = absl::GetFlag(FLAGS_map_size);
  std::vector<std::unique_ptr<model::Denoiser>> denoisers;
  std::vector<model::Denoiser*> all;
  for (const int part : {4, 3, 2, 1}) {
    denoisers.push_back(
        StartMap(model, *cond, *cond, side * part / 4 / 16 * 16));
    all.push_back(denoisers.back().get());
  }
  const Paired paired = MeasurePaired(
      rounds,
      [&] {
        for (model::Denoiser* flow : all) StepOne(model, flow);
      },
      [&] { StepAll(model, all); });
  return {"four maps of different sizes together: times one by one",
          paired.ratio,
          1.0,
          true,
          1.0 / paired.b_seconds,
          "ratio",
          "steps/s of all four"};
}

// Prompt, text, a few denoising steps, a picture: what a request does.
double RequestSeconds(TorchModel& model) {
  return Seconds([&] {
    const auto cond = ContextOf(model, 128);
    const auto no_image = ContextOf(model, 64);
    for (int i = 0; i < 16; ++i) DecodeOne(model, cond.get());
    const auto flow =
        StartMap(model, *cond, *no_image, absl::GetFlag(FLAGS_map_size));
    for (int i = 0; i < 3; ++i) StepOne(model, flow.get());
    model::VaeDecodeItem item;
    item.denoiser = flow.get();
    Require(model.VaeDecode(absl::MakeSpan(&item, 1)));
    Require(item.status);
  });
}

void MeasureRequests(TorchModel& model, std::vector<Row>* rows) {
  const double first = RequestSeconds(model);
  std::vector<double> warm(5);
  for (double& seconds : warm) seconds = RequestSeconds(model);
  const int64_t resident = ResidentBytes();
  const double kv_bytes = static_cast<double>(128 + 16 + 64) *
                          static_cast<double>(model.info().kv_bytes_per_token);
  rows->push_back({"first request after start: times a warm one",
                   first / Median(warm), 2.0, false, Median(warm), "ratio",
                   "s, a warm request"});
  const auto weights = static_cast<double>(model.info().weight_bytes);
  // The pool's memory is touched page by page: what no request has needed yet
  // is not resident, and is not subtracted.
  rows->push_back({"resident memory: MiB beside weights and used KV pages",
                   (static_cast<double>(resident) - weights - kv_bytes) / kMiB,
                   300, false, static_cast<double>(resident) / kMiB, "MiB",
                   absl::StrCat("MiB in all (weights ",
                                static_cast<int>(weights / kMiB), ")")});
}

int Main() {
  torch_model::LoadOptions options;
  options.checkpoint_dirs = {absl::GetFlag(FLAGS_checkpoint)};
  options.device = "cpu";
  options.dtype = "float32";
  options.threads = absl::GetFlag(FLAGS_threads);
  auto loaded = TorchModel::Load(options);
  Require(loaded.status());
  TorchModel& model = **loaded;
  Require(model.WarmUp());
  const c10::InferenceMode no_gradients;
  std::vector<Row> rows;
  const std::string only = absl::GetFlag(FLAGS_only);
  const auto wanted = [&](const char* name) {
    return only.empty() || only == name;
  };
  const int rounds = absl::GetFlag(FLAGS_rounds);
  // First, since it is about the first request after start.
  if (wanted("request")) MeasureRequests(model, &rows);
  if (wanted("decode")) rows.push_back(MeasureDecode(model, rounds));
  if (wanted("batch")) rows.push_back(MeasureBatch(model, rounds));
  if (wanted("flow")) rows.push_back(MeasureFlow(model, rounds));
  if (wanted("branches")) rows.push_back(MeasureBranches(model, rounds));
  if (wanted("maps")) rows.push_back(MeasureMaps(model, rounds));
  PrintTable(rows);
  const std::string json = absl::GetFlag(FLAGS_json);
  if (!json.empty() && !WriteJson(rows, json)) {
    std::fprintf(stderr, "model_bench: cannot write %s\n", json.c_str());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace cooper::bench

int main(int argc, char** argv) {
  cooper::torch_model::PrepareProcess(argv);
  absl::SetProgramUsageMessage(
      "model_bench --checkpoint DIR [--json FILE]\n"
      "Measures the network beside the machine's ceilings.");
  absl::ParseCommandLine(argc, argv);
  if (absl::GetFlag(FLAGS_checkpoint).empty()) {
    std::fprintf(stderr, "model_bench: --checkpoint is needed\n");
    return 2;
  }
  return cooper::bench::Main();
}
