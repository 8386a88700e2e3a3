// Decoding text: a step of 1, 8 and 32 contexts, what it launches and waits
// for, and the sampling of its tokens.

#include <memory>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/noise.h"
#include "model/torch/sampler.h"
#include "tests/bench/gpu/activity.h"
#include "tests/bench/gpu/bench.h"
#include "tests/bench/network_calls.h"
#include "tests/bench/require.h"
#include "tests/bench/timing.h"

namespace cooper::bench {
namespace {

constexpr int kBatches[] = {1, 8, 32};

// Contexts of their own memory and of different lengths, as callers have them.
class Streams {
 public:
  Streams(model::UnifiedModel& model, int count, int context)
      : model_(model), noises_(count, model::SeededNoise(1)), items_(count) {
    for (int i = 0; i < count; ++i) {
      contexts_.push_back(ContextOf(model, context + 7 * i));
      items_[i].context = contexts_.back().get();
      items_[i].token = 65;
    }
  }

  void Step(const model::SamplingOptions& sampling) {
    for (size_t i = 0; i < items_.size(); ++i) {
      items_[i].sampling = sampling;
      items_[i].noise = &noises_[i];
    }
    Require(model_.Decode(absl::MakeSpan(items_)));
    for (const model::DecodeItem& item : items_) Require(item.status);
  }

  double mean_length() const {
    double sum = 0.0;
    for (const auto& context : contexts_) {
      sum += static_cast<double>(context->cache_length());
    }
    return sum / static_cast<double>(contexts_.size());
  }

 private:
  model::UnifiedModel& model_;
  std::vector<model::SeededNoise> noises_;
  std::vector<std::unique_ptr<model::Context>> contexts_;
  std::vector<model::DecodeItem> items_;
};

void MeasureBatch(Bench& bench, int batch) {
  Streams streams(bench.model(), batch, bench.sizes().context);
  const model::SamplingOptions greedy;
  const int rounds = bench.sizes().rounds;
  const double seconds =
      bench.MedianSeconds(rounds / 4, rounds, [&] { streams.Step(greedy); });
  const double length = streams.mean_length();
  const std::string what = absl::StrCat("decode, batch ", batch);
  const std::string conditions = bench.Conditions(
      absl::StrCat(static_cast<int>(length), " tokens of context, greedy"));
  std::optional<double> goal;
  if (batch == 1) goal = 1.25;
  if (batch == 32) goal = 1.35;
  bench.AddTime(
      absl::StrCat(what, ": a step"), conditions, seconds,
      bench.floors().Decode(batch, length).OverlappedSeconds(bench.rates()),
      goal);
  bench.AddValue(absl::StrCat(what, ": tokens"), conditions, batch / seconds,
                 "1/s");
  const Activity activity =
      Observe(bench.device(), [&] { streams.Step(greedy); });
  AddActivity(bench, what, conditions, activity, 1, seconds, 5.0);
  if (batch == 8) return;
  model::SamplingOptions top_p;
  top_p.do_sample = true;
  top_p.top_p = 0.9;
  const double sampled =
      bench.MedianSeconds(1, rounds / 4, [&] { streams.Step(top_p); });
  bench.AddValue(absl::StrCat(what, ": a step with top_p 0.9, of a greedy one"),
                 conditions, sampled / seconds, "ratio");
}

// The sampler alone: logits as wide as a bell that a trained model's are.
void MeasureSampler(Bench& bench, double top_p) {
  constexpr int kRounds = 50;
  std::mt19937 random(1);
  std::normal_distribution<float> bell(0.0f, 3.0f);
  std::vector<float> logits(kVocabulary);
  for (float& logit : logits) logit = bell(random);
  model::SeededNoise noise(1);
  model::SamplingOptions options;
  options.do_sample = top_p > 0.0;
  if (options.do_sample) options.top_p = top_p;
  std::vector<double> seconds(kRounds);
  for (double& one : seconds) {
    one = Seconds([&] {
      Require(torch_model::SampleToken(logits, options, &noise).status());
    });
  }
  bench.AddValue(absl::StrCat("sampling on the host, one token: ",
                              top_p == 0.0  ? "greedy"
                              : top_p < 1.0 ? absl::StrCat("top_p ", top_p)
                                            : "all tokens"),
                 absl::StrCat(logits.size(), " logits"), Median(seconds) * 1e6,
                 "us");
}

}  // namespace

void MeasureDecode(Bench& bench) {
  for (const int batch : kBatches) MeasureBatch(bench, batch);
  for (const double top_p : {0.0, 0.9, 1.0}) MeasureSampler(bench, top_p);
}

}  // namespace cooper::bench
