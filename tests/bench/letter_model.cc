#include "tests/bench/letter_model.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace cooper::bench {

LetterModel::LetterModel(std::unique_ptr<model::UnifiedModel> model,
                         absl::Duration period)
    : ForwardingModel(model.get()),
      owned_(std::move(model)),
      period_(absl::ToChronoNanoseconds(period)) {
  for (int i = 0; i < BatchStamps::kLetters; ++i) {
    const std::vector<model::TokenId> ids = text_codec().Encode(
        std::string(1, BatchStamps::Letter(i)), model::ControlText::kPlain);
    COOPER_CHECK(ids.size() == 1);
    ids_.push_back(ids[0]);
  }
}

absl::Status LetterModel::Decode(absl::Span<model::DecodeItem> items) {
  COOPER_RETURN_IF_ERROR(model()->Decode(items));
  if (period_.count() > 0) {
    due_ = std::max(due_ + period_, std::chrono::steady_clock::now());
    std::this_thread::sleep_until(due_);
  }
  const int letter = stamps_.Mark();
  for (model::DecodeItem& item : items) {
    if (item.status.ok()) item.next = ids_[letter];
  }
  return absl::OkStatus();
}

}  // namespace cooper::bench
