#include "model/unified_model.h"

#include "base/check.h"
#include "base/status_macros.h"

namespace cooper::model {
namespace {

absl::Status RunWhole(Step& step) {
  COOPER_ASSIGN_OR_RETURN(const bool complete,
                          step.RunSlice(absl::InfiniteDuration()));
  COOPER_CHECK(complete);
  return absl::OkStatus();
}

}  // namespace

absl::Status UnifiedModel::Append(absl::Span<AppendItem> items) {
  COOPER_ASSIGN_OR_RETURN(const auto step, BeginAppend(items));
  return RunWhole(*step);
}

absl::Status UnifiedModel::DecodeLatents(absl::Span<DecodeLatentsItem> items) {
  COOPER_ASSIGN_OR_RETURN(const auto step, BeginDecodeLatents(items));
  return RunWhole(*step);
}

}  // namespace cooper::model
