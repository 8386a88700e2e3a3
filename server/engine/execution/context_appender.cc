#include "server/engine/execution/context_appender.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "server/engine/memory/prefix_key.h"

namespace cooper::engine {
namespace {

size_t Index(Branch branch) { return static_cast<size_t>(branch); }

const PromptSegment& SegmentOf(const ContextOp& op) {
  return std::get<PrefillOp>(op).segment;
}

bool IsModelText(const PromptSegment& segment) {
  const auto* text = std::get_if<TextPart>(&segment);
  return text != nullptr && text->origin == TextOrigin::kModel;
}

// Whether `second` shows the vision encoder the image of which `first` is the
// latents. No two requests differ between these, so the two go in one call.
bool ShowSameImage(const PromptSegment& first, const PromptSegment& second) {
  const auto* latents = std::get_if<LatentPart>(&first);
  const auto* vision = std::get_if<VisionPart>(&second);
  return latents != nullptr && vision != nullptr &&
         vision->source == VisionPart::Source::kInput &&
         vision->index == latents->image;
}

}  // namespace

void ContextAppender::Begin(std::vector<ContextOp> ops, Contexts contexts,
                            std::optional<ScratchText> scratch) {
  Reset();
  ops_ = std::move(ops);
  const std::vector<std::optional<Branch>> starts_with = MakeSegments(scratch);

  ContextBranches branches;
  if (scratch.has_value()) {
    branches.scratch_parent = scratch->parent;
    contexts[Index(Branch::kScratch)] = std::move(scratch->context);
    contexts[Index(Branch::kScratchStart)] = std::move(scratch->start.context);
  }
  for (size_t i = 0; i < kBranches; ++i) {
    branches.exists[i] = contexts[i] != nullptr;
    if (!branches.exists[i]) continue;
    branches.lineage[i] = contexts[i]->lineage();
  }
  plan_ = PlanContextOps(ops_, branches, starts_with);
  cached_.resize(ops_.size());
  registers_.resize(plan_.registers);
  std::vector<std::optional<base::Digest>> keys(plan_.registers);
  for (size_t i = 0; i < kBranches; ++i) {
    if (contexts[i] != nullptr && contexts[i]->cache_length() == 0) {
      keys[i] = root_;
    }
    registers_[i] = std::move(contexts[i]);
  }
  for (const ContextStep& step : plan_.steps) {
    if (step.kind != ContextStep::Kind::kPrefillTail) continue;
    auto& ids = std::get<model::TextSegment>(segments_[step.op]).ids;
    const size_t had = step.to == static_cast<int>(Branch::kScratch)
                           ? scratch->ids.size()
                           : scratch->start.tokens;
    ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(had));
  }
  PlanPieces(std::move(keys));
}

// Equal texts are encoded once.
std::vector<std::optional<Branch>> ContextAppender::MakeSegments(
    std::optional<ScratchText>& scratch) {
  segments_.resize(ops_.size());
  std::vector<std::optional<Branch>> starts_with(ops_.size());
  for (size_t i = 0; i < ops_.size(); ++i) {
    const auto* append = std::get_if<PrefillOp>(&ops_[i]);
    if (append == nullptr) continue;
    for (size_t j = 0; j <= i; ++j) {
      const auto* earlier = std::get_if<PrefillOp>(&ops_[j]);
      if (j == i) {
        segments_[i] = source_->Make(append->segment);
      } else if (earlier != nullptr && earlier->segment == append->segment &&
                 std::holds_alternative<TextPart>(append->segment)) {
        segments_[i] = segments_[j];
        break;
      }
    }
    if (scratch.has_value() && IsModelText(append->segment)) {
      starts_with[i] =
          scratch->StartOf(std::get<model::TextSegment>(segments_[i]).ids);
    }
  }
  return starts_with;
}

void ContextAppender::PlanPieces(
    std::vector<std::optional<base::Digest>> keys) {
  const std::vector<ContextStep>& steps = plan_.steps;
  for (size_t i = 0; i < steps.size(); i += pieces_.back().steps) {
    if (steps[i].kind == ContextStep::Kind::kFork) {
      pieces_.push_back({.first_step = i});
      keys[steps[i].to] = keys[steps[i].from];
    } else {
      pieces_.push_back(PieceAt(i, keys[steps[i].to]));
      keys[steps[i].to] = pieces_.back().key;
    }
  }
}

ContextAppender::Piece ContextAppender::PieceAt(
    size_t step, const std::optional<base::Digest>& before) const {
  const auto key_after = [this](const base::Digest& key, int op) {
    return source_->KeyAfter(key, SegmentOf(ops_[op]), segments_[op]);
  };
  const std::vector<ContextStep>& steps = plan_.steps;
  const int op = steps[step].op;
  Piece piece;
  piece.first_step = step;
  piece.rows = model::SegmentRows(*info_, segments_[op]);
  if (prefixes_ == nullptr || !before.has_value()) return piece;
  piece.parent = *before;
  piece.key = key_after(*before, op);
  if (piece.key.has_value() && step + 1 < steps.size() &&
      steps[step + 1].kind == ContextStep::Kind::kPrefill &&
      steps[step + 1].to == steps[step].to &&
      ShowSameImage(SegmentOf(ops_[op]), SegmentOf(ops_[steps[step + 1].op]))) {
    const int vision = steps[step + 1].op;
    ++piece.steps;
    piece.rows += model::SegmentRows(*info_, segments_[vision]);
    piece.key = key_after(*piece.key, vision);
  }
  if (!prefixes_->CanHold(piece.rows)) piece.key.reset();
  return piece;
}

int64_t ContextAppender::input_rows() const {
  int64_t rows = 0;
  for (size_t i = 0; i < ops_.size(); ++i) {
    const auto* append = std::get_if<PrefillOp>(&ops_[i]);
    if (append != nullptr && append->branch == Branch::kCond &&
        !IsModelText(append->segment)) {
      rows += model::SegmentRows(*info_, segments_[i]);
    }
  }
  return rows;
}

int64_t ContextAppender::cached_rows() const {
  int64_t rows = 0;
  for (size_t i = 0; i < ops_.size(); ++i) {
    const auto* append = std::get_if<PrefillOp>(&ops_[i]);
    if (append != nullptr && append->branch == Branch::kCond &&
        cached_[plan_.encoded_by[i]]) {
      rows += model::SegmentRows(*info_, segments_[i]);
    }
  }
  return rows;
}

void ContextAppender::Fork(const ContextStep& step) {
  registers_[step.to] = registers_[step.from]->Fork();
}

int64_t ContextAppender::rows() const {
  std::vector<bool> pending(registers_.size());
  std::vector<bool> at_border(registers_.size());
  int64_t rows = 0;
  for (size_t i = next_; i < pieces_.size(); ++i) {
    const Piece& piece = pieces_[i];
    const ContextStep& step = StepOf(piece);
    if (step.kind == ContextStep::Kind::kFork) {
      if (pending[step.from]) break;
      continue;
    }
    if (at_border[step.to]) break;
    pending[step.to] = true;
    at_border[step.to] = piece.key.has_value();
    rows += PartRows(i);
    if (PartRows(i) < piece.rows) break;
  }
  return rows;
}

int64_t ContextAppender::Take(int64_t max_rows,
                              std::vector<model::PrefillItem>* items) {
  COOPER_CHECK(in_call_.empty());
  std::vector<bool> pending(registers_.size());
  int64_t rows = 0;
  while (next_ < pieces_.size()) {
    const Piece& piece = pieces_[next_];
    const ContextStep& step = StepOf(piece);
    if (step.kind == ContextStep::Kind::kFork) {
      if (pending[step.from]) break;
      Fork(step);
      ++next_;
      continue;
    }
    if (!pending[step.to] && taken_ == 0 && TakeCached(piece)) continue;
    const int64_t part = PartRows(next_);
    const bool fits = rows + part <= max_rows;
    if (!fits && !in_call_.empty()) break;
    if (!MayTake(piece)) break;
    rows += part;
    pending[step.to] = true;
    if (part < piece.rows) {
      in_call_.push_back(piece.first_step);
      items->push_back({registers_[step.to].get(), MakePart(piece, part), {}});
      TookPart(piece, part);
      break;
    }
    for (size_t i = 0; i < piece.steps; ++i) {
      const size_t taken = piece.first_step + i;
      in_call_.push_back(taken);
      items->push_back(
          {registers_[step.to].get(), &segments_[plan_.steps[taken].op], {}});
    }
    ++next_;
  }
  return rows;
}

absl::Status ContextAppender::OnPrefilled(
    absl::Span<const model::PrefillItem> items) {
  COOPER_CHECK(items.size() == in_call_.size());
  for (const model::PrefillItem& item : items) {
    COOPER_RETURN_IF_ERROR(item.status);
  }
  in_call_.clear();
  KeepClaims();
  return absl::OkStatus();
}

int64_t ContextAppender::PartRows(size_t index) const {
  const Piece& piece = pieces_[index];
  const int op = StepOf(piece).op;
  if (!std::holds_alternative<model::TextSegment>(segments_[op])) {
    return piece.rows;
  }
  return std::min(piece.rows - (index == next_ ? taken_ : 0), max_part_);
}

const model::Segment* ContextAppender::MakePart(const Piece& piece,
                                                int64_t rows) {
  const auto& ids =
      std::get<model::TextSegment>(segments_[StepOf(piece).op]).ids;
  const auto first = ids.begin() + static_cast<std::ptrdiff_t>(taken_);
  part_ =
      model::TextSegment{{first, first + static_cast<std::ptrdiff_t>(rows)}};
  return &part_;
}

bool ContextAppender::Advance() {
  while (next_ < pieces_.size()) {
    const ContextStep& step = StepOf(pieces_[next_]);
    if (step.kind == ContextStep::Kind::kFork) {
      Fork(step);
      ++next_;
    } else if (taken_ > 0 || !TakeCached(pieces_[next_])) {
      return false;
    }
  }
  return true;
}

ContextAppender::Contexts ContextAppender::TakeContexts() {
  Contexts contexts;
  for (size_t i = 0; i < kBranches; ++i) {
    const int held = plan_.branches[i];
    if (held >= 0) contexts[i] = std::move(registers_[held]);
  }
  Reset();
  return contexts;
}

// Whether the next piece was there; it then is on its register.
bool ContextAppender::TakeCached(const Piece& piece) {
  if (!piece.key.has_value()) return false;
  std::unique_ptr<model::Context> hit = prefixes_->Find(*piece.key);
  if (hit == nullptr) return false;
  prefixes_->Count(piece.rows, /*hit=*/true);
  registers_[StepOf(piece).to] = std::move(hit);
  for (size_t i = 0; i < piece.steps; ++i) {
    cached_[plan_.steps[piece.first_step + i].op] = true;
  }
  ++next_;
  return true;
}

// Whether `piece`, or the next part of it, may join the call. It may not if a
// shared piece of the same register is in the call, since the context is to be
// kept as it is between the two; nor if another request encodes the same in
// this batch.
bool ContextAppender::MayTake(const Piece& piece) {
  for (const Piece* claim : claims_) {
    if (StepOf(*claim).to == StepOf(piece).to) return false;
  }
  if (!piece.key.has_value()) return true;
  if (hold_ == nullptr && !prefixes_->Claim(*piece.key)) return false;
  if (taken_ + PartRows(next_) == piece.rows) claims_.push_back(&piece);
  return true;
}

void ContextAppender::TookPart(const Piece& piece, int64_t rows) {
  taken_ += rows;
  if (taken_ == piece.rows) {
    taken_ = 0;
    ++next_;
  } else if (piece.key.has_value() && hold_ == nullptr) {
    hold_ = std::make_unique<PrefixCache::Hold>(prefixes_, *piece.key);
  }
}

void ContextAppender::KeepClaims() {
  for (const Piece* piece : claims_) {
    prefixes_->Count(piece->rows, /*hit=*/false);
    // To the cache every root is the empty context.
    prefixes_->Insert(piece->parent == root_ ? EmptyPrefix() : piece->parent,
                      *piece->key, *registers_[StepOf(*piece).to], piece->rows);
  }
  claims_.clear();
  if (taken_ == 0) hold_.reset();
}

}  // namespace cooper::engine
