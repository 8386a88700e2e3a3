#include "client/bench/run_options.h"

#include "absl/strings/str_cat.h"

namespace cooper::client::bench {
namespace {

constexpr int kMostRunning = 1024;  // each has a thread
constexpr double kHighestRate = 100'000;

absl::Status Wrong(absl::string_view field, absl::string_view range) {
  return absl::InvalidArgumentError(absl::StrCat(field, " must be ", range));
}

}  // namespace

absl::Duration RunOptions::LoadEnd() const {
  if (duration.has_value()) return warmup + *duration;
  return requests.has_value() ? absl::InfiniteDuration()
                              : warmup + absl::Seconds(10);
}

absl::Status RunOptions::Validate() const {
  if (concurrency < 1 || concurrency > kMostRunning) {
    return Wrong("concurrency", absl::StrCat("in 1..", kMostRunning));
  }
  if (max_outstanding < 1 || max_outstanding > kMostRunning) {
    return Wrong("max_outstanding", absl::StrCat("in 1..", kMostRunning));
  }
  // Written so that NaN is refused.
  if (rate.has_value() && !(*rate > 0 && *rate <= kHighestRate)) {
    return Wrong("rate", absl::StrCat("above 0, at most ", kHighestRate));
  }
  if (duration.has_value() && *duration <= absl::ZeroDuration()) {
    return Wrong("duration", "above zero");
  }
  if (warmup < absl::ZeroDuration() || warmup == absl::InfiniteDuration()) {
    return Wrong("warmup", "zero or more, and finite");
  }
  if (requests.has_value() && *requests < 1) {
    return Wrong("requests", "at least 1");
  }
  if (LoadEnd() == absl::InfiniteDuration() && !requests.has_value()) {
    return Wrong("duration", "finite, or requests given");
  }
  if (!(cancel_share >= 0 && cancel_share <= 1)) {
    return Wrong("cancel_share", "in 0..1");
  }
  if (cancel_within <= absl::ZeroDuration() ||
      cancel_within == absl::InfiniteDuration()) {
    return Wrong("cancel_within", "above zero, and finite");
  }
  return absl::OkStatus();
}

}  // namespace cooper::client::bench
