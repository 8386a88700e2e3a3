// Attention of one layer by each of ATen's backends, and how far each is from
// float32 arithmetic.

#include <ATen/TensorOperators.h>
#include <c10/util/Exception.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/gpu/attention_backends.h"
#include "tests/bench/gpu/bench.h"

namespace cooper::bench {
namespace {

// What takes a fraction of a millisecond is measured over several sets in turn:
// the host is then ahead of the GPU, and no keys are still in a cache.
class CaseBench {
 public:
  CaseBench(Bench& bench, const AttentionCase& c) : bench_(bench), case_(c) {
    const int count = c.streams == 1 && c.rows == 1 ? 16 : 1;
    for (int i = 0; i < count; ++i) sets_.emplace_back(bench, c);
    reference_ = sets_[0].Reference();
  }

  void MeasureAll() {
    Measure("flash, ragged", &Attention::Ragged);
    // A mask would be needed to align its rows with the last keys.
    if (!case_.causal) Measure("flash, equal lengths", &Attention::Equal);
    if (!case_.causal) Measure("cuDNN, ragged", &Attention::CuDnnRagged);
    Measure("cuDNN", &Attention::CuDnn);
    Measure("ATen's choice without cuDNN", &Attention::Others);
  }

 private:
  void Measure(const char* backend, at::Tensor (Attention::*run)());

  Bench& bench_;
  const AttentionCase case_;
  std::vector<Attention> sets_;
  at::Tensor reference_;
};

void CaseBench::Measure(const char* backend, at::Tensor (Attention::*run)()) {
  const std::string name =
      absl::StrCat("attention ", case_.name, ", ", backend);
  try {
    const at::Tensor error =
        ((sets_[0].*run)().to(at::kFloat) - reference_).abs().max();
    const double seconds =
        bench_.MedianSeconds(2, bench_.device().is_cpu() ? 2 : 9,
                             [&] {
                               for (Attention& set : sets_) (set.*run)();
                             }) /
        static_cast<double>(sets_.size());
    const double mean_keys =
        static_cast<double>(case_.keys) -
        (case_.causal ? static_cast<double>(case_.rows) / 2 : 0.0);
    const std::vector<AttendedRows> items(
        case_.streams, {static_cast<double>(case_.rows), mean_keys});
    const checkpoint::LlmConfig& llm = bench_.shape().llm;
    const std::string conditions =
        absl::StrCat("one layer, ", llm.num_attention_heads, " query and ",
                     llm.num_key_value_heads, " key/value heads of ",
                     llm.head_dim(), case_.causal ? ", causal" : "");
    bench_.AddTime(
        name, conditions, seconds,
        bench_.floors().Attention(items).OverlappedSeconds(bench_.rates()));
    bench_.AddValue(
        absl::StrCat(name, ": largest error"),
        absl::StrCat(conditions, "; against float32, of its RMS"),
        error.item<double>() / reference_.pow(2).mean().sqrt().item<double>(),
        "ratio");
  } catch (const c10::Error& failure) {
    // The first sentence; others list every backend there is.
    const std::string message = failure.what_without_backtrace();
    bench_.report().Skip(name, message.substr(0, message.find(". ")));
  }
}

}  // namespace

void MeasureAttention(Bench& bench) {
  bench.DropModel();  // its pool leaves too little memory
  const Sizes& sizes = bench.sizes();
  const int64_t keys = sizes.context;
  const int64_t latents = bench.latents(sizes.map_side) + 2;
  const int64_t all =
      2 * latents + bench.patches(sizes.vit_side) + 2 + sizes.text;
  const AttentionCase cases[] = {
      {absl::StrCat("1 x ", keys), 1, 1, keys, false},
      {absl::StrCat("32 x ", keys), 32, 1, keys, false},
      {absl::StrCat(latents, " x ", all), 1, latents, all, false},
      {absl::StrCat(sizes.text, " x ", keys, " causal"), 1, sizes.text, keys,
       true},
  };
  for (const AttentionCase& c : cases) CaseBench(bench, c).MeasureAll();
}

}  // namespace cooper::bench
