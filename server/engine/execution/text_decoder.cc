#include "server/engine/execution/text_decoder.h"

#include <algorithm>
#include <utility>

namespace cooper::engine {

using model::TokenId;

std::optional<Branch> ScratchText::StartOf(const std::vector<TokenId>& longer) {
  const auto begins_with = [&](size_t tokens) {
    return longer.size() > tokens &&
           std::equal(ids.begin(),
                      ids.begin() + static_cast<std::ptrdiff_t>(tokens),
                      longer.begin());
  };
  if (begins_with(ids.size())) return Branch::kScratch;
  if (start.context != nullptr) {
    return begins_with(start.tokens) ? std::optional(Branch::kScratchStart)
                                     : std::nullopt;
  }
  for (auto mark = marks.rbegin(); mark != marks.rend(); ++mark) {
    if (!begins_with(mark->tokens)) continue;
    start = std::move(*mark);
    marks.clear();
    return Branch::kScratchStart;
  }
  return std::nullopt;
}

void TextDecoder::Begin(const DecodeWork& work, const model::Context& from) {
  work_ = work;
  stream_ = std::make_unique<TextStream>(codec_, work.channel);
  ids_.clear();
  last_ = codec_->special().bos;
  eos_ = full_ = false;
  scratch_.emplace();
  scratch_->parent = from.lineage();
  scratch_->context = from.Fork();
}

// Upstream's loop: N rounds put bos and N - 1 tokens into the cache; the token
// that the last round chose counts only if it is eos.
bool TextDecoder::Push(TokenId next) {
  scratch_->ids.push_back(last_);
  eos_ = next == codec_->special().eos;
  full_ = static_cast<int>(scratch_->ids.size()) >= work_.max_tokens;
  if (eos_ || full_) return false;
  last_ = next;
  MarkTag();
  ids_.push_back(next);
  observer_->OnToken(work_.turn);
  Emit(stream_->Push(next));
  return true;
}

// What the text says before a tag is needed without it, too (kNoText): a fork
// is kept wherever one may begin, so that nothing is encoded again.
void TextDecoder::MarkTag() {
  constexpr size_t kMarks = 4;  // of a tag, its end, and what looks like them
  if (codec_->Decode({last_}).find('<') == std::string::npos) return;
  std::deque<ScratchText::Mark>& marks = scratch_->marks;
  marks.push_back({scratch_->ids.size(), scratch_->context->Fork()});
  if (marks.size() > kMarks) marks.pop_front();
}

DecodedText TextDecoder::Finish(bool interrupted) {
  Emit(stream_->Finish());
  DecodedText text;
  text.raw = written();
  text.ids = std::move(ids_);
  text.hit_limit = full_ && !eos_;
  text.interrupted = interrupted;
  return text;
}

std::optional<ScratchText> TextDecoder::TakeScratch() {
  return std::exchange(scratch_, std::nullopt);
}

void TextDecoder::Emit(std::vector<TextDelta> deltas) {
  for (TextDelta& delta : deltas) {
    observer_->OnTextDelta({work_.turn, delta.channel, std::move(delta.text)});
  }
}

}  // namespace cooper::engine
