#ifndef COOPER_TESTS_BENCH_LETTER_MODEL_H_
#define COOPER_TESTS_BENCH_LETTER_MODEL_H_

#include <chrono>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "model/unified_model.h"
#include "tests/bench/batch_stamps.h"
#include "tests/testing/forwarding_model.h"

namespace cooper::bench {

// A model whose every token is the letter of its batch (BatchStamps): texts run
// to their limit whatever the weights are, and readers can tell when a token
// was made. All else is the model's that it is built on.
class LetterModel final : public testing::ForwardingModel {
 public:
  // Decode ends at multiples of `period`; zero: when it is done.
  LetterModel(std::unique_ptr<model::UnifiedModel> model,
              absl::Duration period);

  const BatchStamps& stamps() const { return stamps_; }

  absl::Status Decode(absl::Span<model::DecodeItem> items) override;

 private:
  const std::unique_ptr<model::UnifiedModel> owned_;
  const std::chrono::nanoseconds period_;
  std::chrono::steady_clock::time_point due_;
  std::vector<model::TokenId> ids_;  // of the letters
  BatchStamps stamps_;
};

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_LETTER_MODEL_H_
