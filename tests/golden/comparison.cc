#include "tests/golden/comparison.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/isfinite.h>

#include "absl/strings/str_format.h"

namespace cooper::golden {
namespace {

constexpr double kByteLevels = 2.0;
constexpr double kByteShare = 0.005;

}  // namespace

void Comparison::Check(absl::string_view what, bool ok,
                       absl::string_view detail) {
  ++comparisons_;
  if (!ok) failures_.push_back(absl::StrCat(what, ": ", detail));
}

void Comparison::Note(absl::string_view what, double error, double limit) {
  Check(what, error <= limit,
        absl::StrFormat("error %.3g, tolerance %.3g", error, limit));
  if (worst_what_.empty() || error / limit > worst_error_ / worst_limit_) {
    worst_error_ = error;
    worst_limit_ = limit;
    worst_what_ = std::string(what);
  }
}

bool Comparison::SameShape(absl::string_view what, const at::Tensor& got,
                           const at::Tensor& want) {
  if (!got.defined()) {
    Fail(what, "there is none");
    return false;
  }
  if (got.sizes() != want.sizes()) {
    Fail(what,
         absl::StrCat("has ", got.numel(), " values in ", got.dim(),
                      " dimensions, not ", want.numel(), " in ", want.dim()));
    return false;
  }
  return true;
}

void Comparison::CloseAbsolute(absl::string_view what, const at::Tensor& got,
                               const at::Tensor& want, double limit) {
  if (!SameShape(what, got, want) || want.numel() == 0) return;
  const at::Tensor own = got.to(at::kCPU, at::kDouble);
  if (!at::isfinite(own).all().item<bool>()) {
    Fail(what, "has values that are not finite");
    return;
  }
  Note(what, (own - want.to(at::kDouble)).abs().max().item<double>(), limit);
}

void Comparison::Close(absl::string_view what, const at::Tensor& got,
                       const at::Tensor& want, double limit) {
  if (!SameShape(what, got, want) || want.numel() == 0) return;
  const at::Tensor own = got.to(at::kCPU, at::kDouble);
  if (!at::isfinite(own).all().item<bool>()) {
    Fail(what, "has values that are not finite");
    return;
  }
  const at::Tensor expected = want.to(at::kDouble);
  const double rms = expected.square().mean().sqrt().item<double>();
  Note(what,
       (own - expected).abs().max().item<double>() / (rms > 0.0 ? rms : 1.0),
       limit);
}

void Comparison::Bytes(absl::string_view what, const at::Tensor& got,
                       const at::Tensor& want) {
  if (!SameShape(what, got, want)) return;
  const at::Tensor difference = (got.to(at::kInt) - want.to(at::kInt)).abs();
  Note(absl::StrCat(what, " (levels)"), difference.max().item<double>(),
       kByteLevels);
  Note(absl::StrCat(what, " (share)"),
       (difference > 0).to(at::kDouble).mean().item<double>(), kByteShare);
}

void Comparison::Equal(absl::string_view what, const at::Tensor& got,
                       const at::Tensor& want) {
  if (!SameShape(what, got, want)) return;
  const int64_t wrong =
      (got.to(at::kLong) != want.to(at::kLong)).sum().item<int64_t>();
  Check(what, wrong == 0,
        absl::StrCat(wrong, " of ", want.numel(), " values differ"));
}

}  // namespace cooper::golden
