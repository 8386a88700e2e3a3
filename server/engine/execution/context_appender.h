#ifndef COOPER_SERVER_ENGINE_EXECUTION_CONTEXT_APPENDER_H_
#define COOPER_SERVER_ENGINE_EXECUTION_CONTEXT_APPENDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/digest.h"
#include "model/unified_model.h"
#include "server/engine/execution/context_plan.h"
#include "server/engine/execution/text_decoder.h"
#include "server/engine/memory/prefix_cache.h"

namespace cooper::engine {

// Gives a ContextAppender the model's form of a program's segments.
class SegmentSource {
 public:
  virtual ~SegmentSource() = default;
  virtual model::Segment Make(const PromptSegment& part) = 0;
  // The prefix key of what has the key `before` followed by `segment`, which
  // was made of `part`. nullopt: the content is not shared between requests.
  virtual std::optional<base::Digest> KeyAfter(
      const base::Digest& before, const PromptSegment& part,
      const model::Segment& segment) const = 0;
};

// Carries out the ops of one ContextWork after another: encodes equal content
// once (ContextPlan), goes on from a text that was decoded (ScratchText), and
// shares prefixes with other requests (PrefixCache). The driver runs the model.
//
// The next pieces, and their prefix keys, are planned once, in Begin; every
// other method only reads them. Holds the contexts from Begin to TakeContexts.
// Not thread-safe; belongs to the thread that drives the Execution.
class ContextAppender {
 public:
  using Contexts = std::array<std::unique_ptr<model::Context>, kBranches>;

  // All outlive it; `prefixes` may be null: no prefix caching. `root`: the key
  // of an empty context (RootPrefix).
  ContextAppender(const model::ModelInfo* info, SegmentSource* source,
                  PrefixCache* prefixes, const base::Digest& root = {})
      : info_(info), source_(source), prefixes_(prefixes), root_(root) {}

  // What is left of a text goes in parts of at most `rows` from the next call
  // on, so that other requests' prefills pass between them. Images stay whole:
  // their tokens see each other.
  void SetMaxPart(int64_t rows) { max_part_ = rows; }

  // Begins `ops`. Every branch that they name has a context; kScratch and
  // kScratchStart are those of `scratch`.
  void Begin(std::vector<ContextOp> ops, Contexts contexts,
             std::optional<ScratchText> scratch);
  // Rows of the inputs that the ops append to kCond; and, once they are done,
  // how many of these were found in the cache.
  int64_t input_rows() const;
  int64_t cached_rows() const;

  // Takes forks and cache hits that come next; returns whether all is done.
  bool Advance();
  Contexts TakeContexts();
  // Drops the work and its contexts.
  void Reset() { *this = ContextAppender(info_, source_, prefixes_, root_); }

  // As Execution's prefill_rows, TakePrefills and OnPrefilled. OnPrefilled
  // returns the status of the first item that failed.
  int64_t rows() const;
  // Rows to come of a text that went in part; 0: there is none.
  int64_t part_rows_left() const {
    return taken_ > 0 ? pieces_[next_].rows - taken_ : 0;
  }
  int64_t Take(int64_t max_rows, std::vector<model::PrefillItem>* items);
  absl::Status OnPrefilled(absl::Span<const model::PrefillItem> items);
  // Whether a call is under way.
  bool in_call() const { return !in_call_.empty(); }

 private:
  // A fork, or what goes onto a register in one go: a segment, or an image's
  // latents and what the vision encoder sees of it.
  struct Piece {
    size_t first_step = 0;
    size_t steps = 1;
    int64_t rows = 0;
    base::Digest parent = {};         // the key of all before it
    std::optional<base::Digest> key;  // of all up to its end; unset: not shared
  };

  // Returns, per op, the branch whose text its segment goes on from.
  std::vector<std::optional<Branch>> MakeSegments(
      std::optional<ScratchText>& scratch);
  void PlanPieces(std::vector<std::optional<base::Digest>> keys);
  Piece PieceAt(size_t step, const std::optional<base::Digest>& before) const;
  const ContextStep& StepOf(const Piece& piece) const {
    return plan_.steps[piece.first_step];
  }
  void Fork(const ContextStep& step);
  bool TakeCached(const Piece& piece);
  bool MayTake(const Piece& piece);
  // Rows of the `index`th piece that go in one call.
  int64_t PartRows(size_t index) const;
  const model::Segment* MakePart(const Piece& piece, int64_t rows);
  void TookPart(const Piece& piece, int64_t rows);
  void KeepClaims();

  const model::ModelInfo* info_;
  SegmentSource* source_;
  PrefixCache* prefixes_;
  base::Digest root_;
  int64_t max_part_ = std::numeric_limits<int64_t>::max();

  std::vector<ContextOp> ops_;
  std::vector<model::Segment> segments_;  // per op; what is to be appended
  ContextPlan plan_;
  std::vector<Piece> pieces_;
  size_t next_ = 0;      // of pieces_
  int64_t taken_ = 0;    // rows of it that went, or are, in a call
  model::Segment part_;  // of it, in the call under way
  std::unique_ptr<PrefixCache::Hold> hold_;  // on its key, while in parts
  std::vector<std::unique_ptr<model::Context>> registers_;
  std::vector<size_t> in_call_;       // steps of the call under way
  std::vector<const Piece*> claims_;  // pieces of it that go into the cache
  std::vector<bool> cached_;          // per op: found, not encoded
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_EXECUTION_CONTEXT_APPENDER_H_
