#include "tests/testing/recording_model.h"

#include <memory>
#include <utility>

#include "base/status_macros.h"

namespace cooper::testing {
namespace {

RecordingModel::Counters CountersOf(const model::Context& context) {
  return {context.cache_length(), context.next_position()};
}

// A step whose items were done before it began.
class CompleteStep final : public model::PrefillStep {
 public:
  absl::StatusOr<bool> RunSlice(absl::Duration budget) override { return true; }
  void Drop(const model::Context* context) override {}
};

}  // namespace

RecordingModel::Entry RecordingModel::Find(
    const model::Context& context) const {
  const auto found = entries_.find(context.lineage());
  return found == entries_.end() ? Entry() : found->second;
}

RecordingModel::History RecordingModel::HistoryOf(
    const model::Context& context) const {
  return Find(context).segments;
}

absl::StatusOr<std::unique_ptr<model::PrefillStep>>
RecordingModel::BeginPrefill(absl::Span<model::PrefillItem> items) {
  for (model::PrefillItem& item : items) {
    Entry entry = Find(*item.context);
    const auto* text = std::get_if<model::TextSegment>(item.segment);
    // A text may hold the end of text, where a part of it may end.
    if (text != nullptr && text->ids.front() != text_codec().special().bos &&
        !entry.decoded_from.has_value() && !entry.segments.empty()) {
      entry.decoded_from = entry.segments.back().before;
      entry.segments.pop_back();
    }
    const Counters before =
        entry.decoded_from.value_or(CountersOf(*item.context));
    COOPER_RETURN_IF_ERROR(model()->Prefill(absl::MakeSpan(&item, 1)));
    if (!item.status.ok()) continue;
    if (text != nullptr && text->ids.back() != text_codec().special().eos) {
      entry.decoded_from = before;  // a part; the rest follows
    } else {
      entry.segments.push_back({before, CountersOf(*item.context)});
      entry.decoded_from.reset();
    }
    entries_[item.context->lineage()] = std::move(entry);
  }
  return std::make_unique<CompleteStep>();
}

absl::Status RecordingModel::Decode(absl::Span<model::DecodeItem> items) {
  std::vector<Entry> entries;
  for (const model::DecodeItem& item : items) {
    Entry entry = Find(*item.context);
    if (!entry.decoded_from.has_value()) {
      entry.decoded_from = CountersOf(*item.context);
    }
    entries.push_back(std::move(entry));
  }
  COOPER_RETURN_IF_ERROR(model()->Decode(items));
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].status.ok()) continue;
    entries_[items[i].context->lineage()] = std::move(entries[i]);
  }
  return absl::OkStatus();
}

}  // namespace cooper::testing
