// micro_bench: the network's calls one by one, beside kernels_benchmark.cc.

#include <ATen/ops/zeros.h>
#include <benchmark/benchmark.h>
#include <c10/core/InferenceMode.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "model/torch/process.h"
#include "model/torch/torch_model.h"
#include "tests/bench/kernels_benchmark.h"
#include "tests/bench/network_calls.h"
#include "tests/bench/require.h"

namespace cooper::bench {
namespace {

using torch_model::TorchModel;

constexpr int kContext = 512;  // tokens before a map

// Tokens of `batch` contexts that begin at `context` tokens.
void Decode(benchmark::State& state, TorchModel& model) {
  const auto batch = static_cast<size_t>(state.range(0));
  const auto base = ContextOf(model, static_cast<int>(state.range(1)));
  std::vector<std::unique_ptr<model::Context>> contexts;
  std::vector<model::DecodeItem> items(batch);
  for (model::DecodeItem& item : items) {
    contexts.push_back(base->Fork());
    item.context = contexts.back().get();
    item.token = 65;
  }
  for (auto _ : state) Require(model.Decode(absl::MakeSpan(items)));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// A step of a square map under all three branches.
void DenoiseStep(benchmark::State& state, TorchModel& model) {
  const auto cond = ContextOf(model, kContext);
  const auto flow =
      StartMap(model, *cond, *cond, static_cast<int>(state.range(0)));
  for (auto _ : state) StepOne(model, flow.get());
}

void EncodeVision(benchmark::State& state, TorchModel& model) {
  const auto side = static_cast<int>(state.range(0));
  image::RgbImage picture;
  picture.size = {side, side};
  picture.pixels.resize(size_t{3} * side * side, 100);
  for (auto _ : state) {
    benchmark::DoNotOptimize(model.vision_encoder().Encode({&picture}));
  }
}

void EncodeLatents(benchmark::State& state, TorchModel& model) {
  const at::Tensor pixels = at::zeros({3, state.range(0), state.range(0)});
  for (auto _ : state) {
    benchmark::DoNotOptimize(model.autoencoder().Moments(pixels));
  }
}

void VaeDecode(benchmark::State& state, TorchModel& model) {
  const auto cond = ContextOf(model, kContext);
  const auto flow =
      StartMap(model, *cond, *cond, static_cast<int>(state.range(0)));
  for (auto _ : state) {
    model::VaeDecodeItem item;
    item.denoiser = flow.get();
    Require(model.VaeDecode(absl::MakeSpan(&item, 1)));
    Require(item.status);
  }
}

void Register(TorchModel& model) {
  const auto add = [&](const char* name,
                       void (*function)(benchmark::State&, TorchModel&)) {
    return benchmark::RegisterBenchmark(
               name, [&model, function](
                         benchmark::State& state) { function(state, model); })
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  };
  add("decode", Decode)
      ->ArgNames({"batch", "context"})
      ->ArgsProduct({{1, 8}, {128, 1024}});
  add("denoise_step", DenoiseStep)
      ->ArgName("side")
      ->Arg(256)
      ->Arg(384)
      ->Arg(512);
  add("encode_vision", EncodeVision)->ArgName("side")->Arg(112)->Arg(224);
  add("encode_latents", EncodeLatents)->ArgName("side")->Arg(256)->Arg(512);
  add("decode_latents", VaeDecode)->ArgName("side")->Arg(256)->Arg(512);
}

int Main(const char* checkpoint) {
  const c10::InferenceMode no_gradients;
  RegisterKernels();
  std::unique_ptr<TorchModel> model;
  if (checkpoint != nullptr) {
    torch_model::LoadOptions options;
    options.checkpoint_dirs = {checkpoint};
    options.device = "cpu";
    options.dtype = "float32";
    auto loaded = TorchModel::Load(options);
    Require(loaded.status());
    model = *std::move(loaded);
    Register(*model);
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace cooper::bench

int main(int argc, char** argv) {
  cooper::torch_model::PrepareProcess(argv);
  benchmark::Initialize(&argc, argv);
  if (argc > 2) {
    std::fprintf(stderr,
                 "usage: micro_bench [--benchmark_filter=RE ...] [CHECKPOINT]\n"
                 "Without a checkpoint: the kernels only.\n");
    return 2;
  }
  return cooper::bench::Main(argc == 2 ? argv[1] : nullptr);
}
