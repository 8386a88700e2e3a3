#include "client/bench/workload.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/bench/work_item.h"

namespace cooper::client::bench {
namespace {

constexpr absl::string_view kNames[kNumKinds] = {
    "ask", "text_only", "perceive", "depth", "segment", "generate"};

}  // namespace

absl::string_view KindName(Kind kind) { return kNames[static_cast<int>(kind)]; }

std::optional<Kind> KindOf(absl::string_view name) {
  for (int i = 0; i < kNumKinds; ++i) {
    if (name == kNames[i]) return static_cast<Kind>(i);
  }
  return std::nullopt;
}

std::string KindNames() { return absl::StrJoin(kNames, ", "); }

absl::StatusOr<std::vector<MixPart>> ParseMix(absl::string_view text) {
  std::vector<MixPart> mix;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    const std::optional<Kind> kind = KindOf(pair.first);
    if (!kind.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("mix: \"", pair.first, "\" is none of ", KindNames()));
    }
    double weight = 1.0;
    if (part.size() > pair.first.size() &&
        !(absl::SimpleAtod(pair.second, &weight) && std::isfinite(weight) &&
          weight > 0)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "mix: \"", part, "\": the weight must be a number above 0"));
    }
    if (std::any_of(mix.begin(), mix.end(),
                    [&](const MixPart& p) { return p.kind == *kind; })) {
      return absl::InvalidArgumentError(
          absl::StrCat("mix: \"", pair.first, "\" comes twice"));
    }
    mix.push_back({*kind, weight});
  }
  return mix;
}

absl::StatusOr<Workload> MixedWorkload(
    const std::vector<MixPart>& mix, const std::vector<std::string>& images,
    const std::vector<std::string>& questions, const RequestOptions& options) {
  Workload workload;
  for (const MixPart& part : mix) {
    const size_t count = std::max(images.size(), questions.size());
    for (size_t i = 0; i < count; ++i) {
      std::vector<std::string> of_this;
      if (!images.empty()) of_this.push_back(images[i % images.size()]);
      auto item = MakeWorkItem(part.kind, of_this,
                               questions[i % questions.size()], options);
      if (!item.ok()) return item.status();
      item->weight = part.weight / static_cast<double>(count);
      workload.items.push_back(*std::move(item));
    }
  }
  return workload;
}

}  // namespace cooper::client::bench
