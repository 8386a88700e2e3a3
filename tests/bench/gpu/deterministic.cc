// --deterministic: results have the same bits alone and in a batch, and what
// that costs.

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/gpu/bench.h"
#include "tests/bench/network_calls.h"
#include "tests/bench/require.h"
#include "tests/bench/timing.h"
#include "tests/testing/network_recorder.h"

namespace cooper::bench {
namespace {

using torch_model::TorchModel;

constexpr int kStreams = 8;
constexpr int kRounds = 5;

// Logits of the next token of forks of the contexts: [contexts, vocabulary].
at::Tensor Logits(TorchModel& model,
                  const std::vector<const model::Context*>& contexts) {
  std::vector<std::unique_ptr<model::Context>> forks;
  std::vector<model::Context*> decoded;
  for (const model::Context* context : contexts) {
    forks.push_back(context->Fork());
    decoded.push_back(forks.back().get());
  }
  auto logits = torch_model::DecodeLogits(
      model, decoded, std::vector<model::TokenId>(decoded.size(), 65));
  Require(logits.status());
  return *std::move(logits);
}

const at::Tensor& LatentsOf(const model::Denoiser& flow) {
  return static_cast<const torch_model::TorchDenoiser&>(flow).x();
}

struct Cost {
  double token = 0.0;  // seconds
  double step = 0.0;
};

Cost Measure(Bench& bench, TorchModel& model, const model::Context& context) {
  const std::unique_ptr<model::Context> decoded = context.Fork();
  const auto map =
      StartMap(model, context, context, bench.sizes().map_side / 2);
  return {
      bench.MedianSeconds(2, kRounds, [&] { DecodeOne(model, decoded.get()); }),
      bench.MedianSeconds(2, kRounds, [&] { StepOne(model, map.get()); })};
}

}  // namespace

void MeasureDeterministic(Bench& bench) {
  const Cost usual = [&] {
    TorchModel& model = bench.model();
    return Measure(bench, model, *ContextOf(model, bench.sizes().text));
  }();
  bench.DropModel();
  auto options = bench.RandomWeights();
  Require(options.status());
  options->deterministic = true;
  auto loaded = TorchModel::Load(*options);
  Require(loaded.status());
  TorchModel& model = **loaded;

  std::vector<std::unique_ptr<model::Context>> contexts;
  std::vector<const model::Context*> all;
  for (int i = 0; i < kStreams; ++i) {
    contexts.push_back(ContextOf(model, bench.sizes().text + 37 * i));
    all.push_back(contexts.back().get());
  }
  const at::Tensor together = Logits(model, all);
  int equal = 0;
  for (int i = 0; i < kStreams; ++i) {
    if (Logits(model, {all[i]})[0].equal(together[i])) ++equal;
  }
  const auto add = [&](const char* name, double value, const char* unit,
                       double goal) {
    Measured row;
    row.name = absl::StrCat("deterministic: ", name);
    row.conditions = bench.Conditions();
    row.value = value;
    row.unit = unit;
    row.goal = goal;
    row.at_least = true;
    bench.report().Add(row);
  };
  add("tokens with the same bits alone and beside 7 others", equal, "of 8",
      kStreams);

  const int side = bench.sizes().map_side / 2;
  const auto alone = StartMap(model, *all[0], *all[1], side);
  const auto beside = StartMap(model, *all[0], *all[1], side);
  const auto other = StartMap(model, *all[2], *all[3], side);
  StepOne(model, alone.get());
  StepAll(model, {other.get(), beside.get()});
  add("maps with the same bits alone and beside another",
      LatentsOf(*alone).equal(LatentsOf(*beside)) ? 1 : 0, "of 1", 1);

  const Cost cost = Measure(bench, model, *all[0]);
  bench.AddValue("deterministic: a token of one stream, of the usual time",
                 bench.Conditions(), cost.token / usual.token, "ratio");
  bench.AddValue(
      absl::StrCat("deterministic: a step of a map of ", side,
                   "^2, of the usual time"),
      bench.Conditions("three branches, guidance [0, 1], one update"),
      cost.step / usual.step, "ratio");
}

}  // namespace cooper::bench
