#ifndef COOPER_TESTS_GOLDEN_COMPARISON_H_
#define COOPER_TESTS_GOLDEN_COMPARISON_H_

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tests/golden/tolerances.h"

namespace cooper::golden {

// An error beside what is allowed.
struct Measured {
  double error = 0.0;
  double limit = 0.0;
  std::string what;
  double share() const { return limit > 0.0 ? error / limit : 0.0; }
};

// The outcome of one golden case: every comparison made, the worst of them,
// and what was wrong.
class Comparison {
 public:
  // `tolerances` outlives it.
  explicit Comparison(const Tolerances& tolerances) : tolerances_(tolerances) {}

  const Tolerances& tolerances() const { return tolerances_; }

  // Differences as shares of the RMS of `want`.
  void Close(absl::string_view what, const at::Tensor& got,
             const at::Tensor& want, Limit Tolerances::* limit);
  // Differences as they are.
  void CloseAbsolute(absl::string_view what, const at::Tensor& got,
                     const at::Tensor& want, Limit Tolerances::* limit);
  // Bytes of images, by the tolerances of `levels` and of their share.
  void Bytes(absl::string_view what, const at::Tensor& got,
             const at::Tensor& want,
             Limit Tolerances::* levels = &Tolerances::levels);
  // One error that is given.
  void Small(absl::string_view what, double error, Limit Tolerances::* limit);
  void Equal(absl::string_view what, const at::Tensor& got,
             const at::Tensor& want);
  template <typename A, typename B>
  void EqualValues(absl::string_view what, const A& got, const B& want) {
    Check(what, got == want,
          absl::StrCat("got ", Show(got), ", want ", Show(want)));
  }
  void Check(absl::string_view what, bool ok, absl::string_view detail);
  void Fail(absl::string_view what, absl::string_view detail) {
    Check(what, false, detail);
  }

  bool ok() const { return failures_.empty(); }
  int comparisons() const { return comparisons_; }
  const std::vector<std::string>& failures() const { return failures_; }
  // The largest error as a share of its limit; its `what` is empty if nothing
  // was measured.
  const Measured& worst() const { return worst_; }
  // The largest error of each limit, by its name (root mean squares: with
  // " rms" behind it).
  const std::map<std::string, Measured>& by_limit() const { return by_limit_; }

 private:
  void Note(absl::string_view what, double error, double limit,
            absl::string_view name);
  void Differ(absl::string_view what, const at::Tensor& got,
              const at::Tensor& want, double unit, const Limit& limit);
  bool SameShape(absl::string_view what, const at::Tensor& got,
                 const at::Tensor& want);
  template <typename T>
  static std::string Show(const std::vector<T>& values) {
    std::string out = "[";
    for (size_t i = 0; i < values.size() && i < 40; ++i) {
      absl::StrAppend(&out, i > 0 ? " " : "", values[i]);
    }
    return out + (values.size() > 40 ? " ...]" : "]");
  }
  static std::string Show(const std::string& text) {
    return absl::StrCat("\"", text.substr(0, 160), "\"");
  }
  static std::string Show(int64_t value) { return absl::StrCat(value); }

  const Tolerances& tolerances_;
  int comparisons_ = 0;
  Measured worst_;
  std::map<std::string, Measured> by_limit_;
  std::vector<std::string> failures_;
};

}  // namespace cooper::golden

#endif  // COOPER_TESTS_GOLDEN_COMPARISON_H_
