#include "tests/golden/comparison.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/isfinite.h>

#include "absl/strings/str_format.h"

namespace cooper::golden {

void Comparison::Check(absl::string_view what, bool ok,
                       absl::string_view detail) {
  ++comparisons_;
  if (!ok) failures_.push_back(absl::StrCat(what, ": ", detail));
}

void Comparison::Note(absl::string_view what, double error, double limit,
                      absl::string_view name) {
  if (limit == Limit::kNone) return;
  Check(what, error <= limit,
        absl::StrFormat("error %.3g, tolerance %.3g", error, limit));
  const Measured measured{error, limit, std::string(what)};
  Measured& worst = by_limit_[std::string(name)];
  for (Measured* const of : {&worst_, &worst}) {
    if (of->what.empty() || measured.share() > of->share()) *of = measured;
  }
}

void Comparison::Small(absl::string_view what, double error,
                       Limit Tolerances::* limit) {
  Note(what, error, (tolerances_.*limit).largest, (tolerances_.*limit).name);
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

void Comparison::Differ(absl::string_view what, const at::Tensor& got,
                        const at::Tensor& want, double unit,
                        const Limit& limit) {
  const at::Tensor own = got.to(at::kCPU, at::kDouble);
  if (!at::isfinite(own).all().item<bool>()) {
    Fail(what, "has values that are not finite");
    return;
  }
  const at::Tensor difference = own - want.to(at::kDouble);
  Note(what, difference.abs().max().item<double>() / unit, limit.largest,
       limit.name);
  Note(absl::StrCat(what, " (rms)"),
       difference.square().mean().sqrt().item<double>() / unit, limit.rms,
       absl::StrCat(limit.name, " rms"));
}

void Comparison::CloseAbsolute(absl::string_view what, const at::Tensor& got,
                               const at::Tensor& want,
                               Limit Tolerances::* limit) {
  if (!SameShape(what, got, want) || want.numel() == 0) return;
  Differ(what, got, want, 1.0, tolerances_.*limit);
}

void Comparison::Close(absl::string_view what, const at::Tensor& got,
                       const at::Tensor& want, Limit Tolerances::* limit) {
  if (!SameShape(what, got, want) || want.numel() == 0) return;
  const double rms = want.to(at::kDouble).square().mean().sqrt().item<double>();
  Differ(what, got, want, rms > 0.0 ? rms : 1.0, tolerances_.*limit);
}

void Comparison::Bytes(absl::string_view what, const at::Tensor& got,
                       const at::Tensor& want, Limit Tolerances::* levels) {
  if (!SameShape(what, got, want)) return;
  Differ(absl::StrCat(what, " (levels)"), got, want, 1.0, tolerances_.*levels);
  Small(absl::StrCat(what, " (share)"),
        (got != want).to(at::kDouble).mean().item<double>(),
        &Tolerances::share);
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
