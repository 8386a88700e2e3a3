#ifndef COOPER_TESTS_TESTING_RECORDING_MODEL_H_
#define COOPER_TESTS_TESTING_RECORDING_MODEL_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "tests/testing/forwarding_model.h"

namespace cooper::testing {

// Remembers how each context grew. Every prefill item runs in a call of its
// own, so that the counters between two segments of a batch are seen, too.
class RecordingModel : public ForwardingModel {
 public:
  // The counters of a context: cache length in tokens, and rope position.
  struct Counters {
    int64_t cache_length = 0;
    int64_t next_position = 0;
    friend bool operator==(const Counters&, const Counters&) = default;
  };
  // What one segment did to them.
  struct Growth {
    Counters before, after;
    friend bool operator==(const Growth&, const Growth&) = default;
  };

  using History = std::vector<Growth>;

  using ForwardingModel::ForwardingModel;

  // The segments that `context` holds, in their order; those that it shares
  // with the context that it was forked from come first. A text that was
  // decoded, and the parts of one that is prefilled, count as soon as a segment
  // continues them to the end of text, and together with that.
  History HistoryOf(const model::Context& context) const;

  absl::StatusOr<std::unique_ptr<model::PrefillStep>> BeginPrefill(
      absl::Span<model::PrefillItem> items) override;
  absl::Status Decode(absl::Span<model::DecodeItem> items) override;

 private:
  struct Entry {
    History segments;
    std::optional<Counters> decoded_from;  // where a decoded text begins
  };
  Entry Find(const model::Context& context) const;

  std::map<uint64_t, Entry> entries_;  // by lineage
};

}  // namespace cooper::testing

#endif  // COOPER_TESTS_TESTING_RECORDING_MODEL_H_
