#include "client/cli/progress.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/report/html.h"

namespace cooper::client {
namespace {

constexpr int kWidestBar = 32;
constexpr int kNarrowestBar = 8;

std::string Repeat(absl::string_view piece, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) absl::StrAppend(&text, piece);
  return text;
}

}  // namespace

std::string ProgressLine(const Progress& progress, int columns, bool unicode) {
  const int total = std::max(progress.num_steps, 1);
  const int done = std::clamp(progress.step, 0, total);
  std::string tail = absl::StrFormat("  %d/%d", done, total);
  const double seconds = absl::ToDoubleSeconds(progress.elapsed);
  if (done > 0 && seconds > 0) {
    const double rate = done / seconds;
    absl::StrAppend(&tail, "  ",
                    rate < 10 ? absl::StrFormat("%.1f", rate)
                              : absl::StrFormat("%.0f", rate),
                    " steps/s");
    if (done < total) {
      absl::StrAppend(&tail, "  ",
                      HumanMilliseconds(1000 * (total - done) / rate), " left");
    }
  }
  const int room = columns - static_cast<int>(progress.label.size()) - 2 -
                   static_cast<int>(tail.size());
  const int width = std::min(room, kWidestBar);
  if (width < kNarrowestBar) {
    return absl::StrCat(progress.label, tail).substr(0, std::max(columns, 0));
  }
  const int filled = static_cast<int>(int64_t{width} * done / total);
  return absl::StrCat(progress.label, "  ",
                      Repeat(unicode ? "\u2588" : "#", filled),
                      Repeat(unicode ? "\u2591" : ".", width - filled), tail);
}

}  // namespace cooper::client
