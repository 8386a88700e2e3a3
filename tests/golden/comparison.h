#ifndef COOPER_TESTS_GOLDEN_COMPARISON_H_
#define COOPER_TESTS_GOLDEN_COMPARISON_H_

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace cooper::golden {

// What model-spec section 7 asks of a tensor: the largest difference over the
// RMS of the expected tensor.
namespace tolerance {
inline constexpr double kPixels = 1e-6;    // normalised pixels, patches,
                                           // schedule, timestep features
inline constexpr double kNetwork = 5e-5;   // ViT, time embedding, segments,
                                           // K and V, logits, one branch
inline constexpr double kCodec = 1e-4;     // VAE moments, latent, decoded
inline constexpr double kGuided = 2e-4;    // guided velocity, final latents
inline constexpr double kNorms = 1e-5;     // k/v norms of contexts
inline constexpr double kDepth = 2e-5;     // depth, absolute
inline constexpr double kAfterMap = 1e-2;  // all that follows a map fed back
}  // namespace tolerance

// The outcome of one golden case: every comparison made, the worst of them,
// and what was wrong.
class Comparison {
 public:
  // |got - want| at most `limit` times the RMS of `want`.
  void Close(absl::string_view what, const at::Tensor& got,
             const at::Tensor& want, double limit);
  // |got - want| at most `limit`.
  void CloseAbsolute(absl::string_view what, const at::Tensor& got,
                     const at::Tensor& want, double limit);
  // Bytes of pictures: at most 2 levels, in fewer than 0.5 % of the values.
  void Bytes(absl::string_view what, const at::Tensor& got,
             const at::Tensor& want);
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
  // The largest error, as a share of its tolerance; and where it was.
  double worst_error() const { return worst_error_; }
  double worst_limit() const { return worst_limit_; }
  const std::string& worst_what() const { return worst_what_; }

 private:
  void Note(absl::string_view what, double error, double limit);
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

  int comparisons_ = 0;
  double worst_error_ = 0.0;
  double worst_limit_ = 0.0;
  std::string worst_what_;
  std::vector<std::string> failures_;
};

}  // namespace cooper::golden

#endif  // COOPER_TESTS_GOLDEN_COMPARISON_H_
