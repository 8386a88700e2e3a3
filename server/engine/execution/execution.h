#ifndef COOPER_SERVER_ENGINE_EXECUTION_EXECUTION_H_
#define COOPER_SERVER_ENGINE_EXECUTION_EXECUTION_H_

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/digest.h"
#include "model/unified_model.h"
#include "server/engine/core/event.h"
#include "server/engine/execution/context_plan.h"
#include "server/engine/execution/drawn_map.h"
#include "server/engine/memory/prefix_cache.h"
#include "server/engine/memory/session_store.h"
#include "server/engine/program/program.h"
#include "server/engine/program/text_stream.h"

namespace cooper::engine {

// An input image, ready for the model. `latents` follows the VAE rule, `vision`
// the ViT rule applied to that; what the program does not use may be null.
struct PreparedImage {
  std::shared_ptr<const image::RgbImage> latents;
  std::shared_ptr<const image::RgbImage> vision;
  // Digest of the pixels and the size that the VAE rule gives, from which both
  // images follow (DigestOf). Unset: the image is not shared between requests,
  // and its latents are sampled with the request's noise, as upstream.
  std::optional<base::Digest> pixels;
};

// The digest of an image's size and pixels. Equal pixels have equal digests,
// whatever file they came from.
base::Digest DigestOf(const image::RgbImage& image);

// The seed that an image's latents are sampled with. It follows from the pixels
// alone (PreparedImage::pixels), so that requests about the same pixels share
// what is encoded of them and get the same results; a request's own seed is for
// what the model writes and generates. Upstream draws this noise from the
// request's generator instead.
uint64_t ImageSeed(const base::Digest& pixels);

// A text whose ids are known beforehand, so that the engine thread need not
// encode it.
struct EncodedText {
  TextPart part;
  std::vector<model::TokenId> ids;  // without bos and eos
};

// Hears what a request does. Called in order by whoever drives the Execution.
class ExecutionObserver {
 public:
  virtual ~ExecutionObserver() = default;
  virtual void OnTextDelta(TextDeltaEvent&& delta) {}
  // A token was chosen (not: eos, or one beyond the limit).
  virtual void OnToken(int turn) {}
  virtual void OnMapStarted(MapStartedEvent&& started) {}
  // `preview`: what the map would be, where one is due.
  virtual void OnMapStep(int map_id, int step, int num_steps,
                         std::optional<image::FloatRgbImage>&& preview) {}
  virtual void OnMapDrawn(const std::shared_ptr<const DrawnMap>& map) {}
};

// Cache length and rope position of a context.
struct ContextCounters {
  int64_t cache_length = 0;
  int64_t next_position = 0;
};

// For comparing a run with a reference: sees the contexts, and may put texts
// and pictures in place of those that were made. With a probe every segment is
// appended by a call of its own.
class ExecutionProbe {
 public:
  virtual ~ExecutionProbe() = default;
  // Each op of a ContextWork in order, once all are done. For an op whose
  // encoding was shared the counters are those of the sharing slot.
  virtual void OnContextOp(const ContextOp& op, ContextCounters before,
                           ContextCounters after) {}
  // A text in place of decoding; nullopt: decode. `from` is the context.
  virtual std::optional<std::string> ReplaceText(const DecodeWork& work,
                                                 const model::Context& from) {
    return std::nullopt;
  }
  // Before a map's flow is started.
  virtual void OnFlow(const FlowWork& work, const model::Context& cond,
                      const model::Context& no_text,
                      const model::Context& no_image) {}
  // After its last step; `decoded` is what its latents decode to.
  virtual void OnFlowDone(const FlowWork& work, const model::Flow& flow,
                          const image::FloatRgbImage& decoded) {}
  // May change `map->picture` before the model looks at it.
  virtual void OnPicture(const FlowWork& work, DrawnMap* map) {}
  // At FinishWork; slots without a context are null.
  virtual void OnFinish(
      const FinishWork& work,
      const std::array<std::unique_ptr<model::Context>, kSlots>& contexts) {}
};

struct ExecutionSpec {
  std::unique_ptr<Program> program;
  std::vector<PreparedImage> images;
  // Every draw: of latents of images without a file, in their order, then flows
  // and tokens.
  std::unique_ptr<model::NoiseSource> noise;
  model::SamplingOptions sampling;
  model::FlowOptions flow;
  int preview_every = 0;  // flow steps; 0: none
  // Positions that kCond may have, and how many of them each text but an answer
  // leaves free (PositionDemand). max_positions 0: no limit.
  int64_t max_positions = 0;
  int64_t reserved_positions = 0;
  // Render what the vision encoder sees even where it is not fed back.
  bool always_render_vision = false;
  // How control spellings in a user's text are read. kParse: as upstream.
  model::ControlText user_text = model::ControlText::kPlain;
  std::vector<std::shared_ptr<const EncodedText>> encoded;
  // Where input segments are looked for before they are encoded; outlives the
  // execution; null: nowhere. Without a probe only.
  PrefixCache* prefixes = nullptr;
  // A turn of a conversation: what its contexts begin with (null: nothing),
  // what its caller wants of it (may be null), and whether they are kept.
  SessionContexts contexts;
  std::shared_ptr<const Steering> steering;
  bool keep_contexts = false;
};

// One request under way: its program, contexts, noise and images, turning the
// program's work into items for the model.
//
// It never calls the model's batched functions itself: the driver looks at
// `state()`, takes the item that belongs to it, has the model do it (with
// other requests' items, or alone), and hands the result back.
// The state then is the next one. Not thread-safe; to be destroyed on the
// driver's thread, and only once what it gave was dropped from a Step under
// way.
class Execution {
 public:
  enum class State {
    kAppend,     // TakeAppends -> an AppendStep -> OnAppended
    kDecode,     // TakeDecode -> Decode -> OnDecoded
    kFlowStart,  // StartFlow
    kFlowStep,   // flow() in a FlowStep -> OnFlowStep
    kLatents,    // TakeLatents -> BeginDecodeLatents's step -> OnLatents
    kRender,     // TakeRender -> any thread -> OnRendered
    kFinished,   // finish()
    kFailed,     // status()
  };

  // `model`, `observer` and `probe` (may be null) outlive it.
  Execution(model::UnifiedModel* model, ExecutionSpec spec,
            ExecutionObserver* observer, ExecutionProbe* probe = nullptr);
  ~Execution();
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  State state() const { return state_; }
  // The same, but where it is kFailed, the state in which it failed.
  State last_phase() const {
    return state_ == State::kFailed ? failed_in_ : state_;
  }

  // kAppend. Rows (tokens) of the segments that can go in one call.
  int64_t append_rows() const;
  // Adds items to `items`: as many as fit in `max_rows`, at least one, or none
  // where all is in the prefix cache by now, or another request encodes the
  // same in this wave (in the next it is in the cache). The items stay valid
  // until OnAppended gets them back, in the same order. Returns their rows.
  int64_t TakeAppends(int64_t max_rows, std::vector<model::AppendItem>* items);
  void OnAppended(absl::Span<const model::AppendItem> items);
  // The items go into a second call, since the first failed without a result:
  // they draw the same noise again.
  void RetryAppends();

  // kDecode.
  model::DecodeItem TakeDecode();
  void OnDecoded(const model::DecodeItem& item);

  // kFlowStart. Calls the model. Not OK only where the device failed, or with
  // RESOURCE_EXHAUSTED where its memory ran out: the state is as it was, and
  // another call draws the same noise. What concerns this request alone makes
  // the state kFailed.
  absl::Status StartFlow();

  // kFlowStep. Rows of the next step: latent tokens times branches.
  model::Flow* flow() const { return flow_.get(); }
  int64_t flow_rows() const;
  void OnFlowStep();

  // kLatents: of a finished flow, or for a preview (the flow goes on).
  model::DecodeLatentsItem TakeLatents();
  void OnLatents(model::DecodeLatentsItem item);

  // kRender. Pixel work without the model; run it once, on any thread.
  std::function<std::shared_ptr<const DrawnMap>()> TakeRender();
  void OnRendered(const std::shared_ptr<const DrawnMap>& map);

  // kFinished. All contexts are given back.
  const FinishWork& finish() const { return finish_; }
  // Where contexts are kept: forks of them. kFinished: as they are then. Else
  // as they were once the program's first ContextWork, the inputs, was done;
  // null before.
  SessionContexts TakeKept() { return std::move(kept_); }
  // kFailed. The engine's error, with details.
  const absl::Status& status() const { return status_; }
  // Ends it with `status`; for a driver whose own work for it failed.
  void Fail(absl::Status status);

  // So far. Prompt: texts and images on kCond, drawn maps included. Output:
  // tokens that the model wrote.
  struct Totals {
    int64_t input_tokens = 0;
    // Of input_tokens: from the prefix cache, or there from the start.
    int64_t cached_tokens = 0;
    int64_t output_tokens = 0;
    int turns = 0;
    int maps = 0;
    int flow_steps = 0;
  };
  const Totals& totals() const { return totals_; }
  // The map being drawn; valid in the states of a flow.
  const FlowWork& flow_work() const { return flow_work_; }

 private:
  // Where a text is being decoded.
  struct Decoding {
    DecodeWork work;
    std::vector<model::TokenId> ids;  // chosen so far
    model::TokenId last = 0;          // chosen, not yet in the cache
    std::unique_ptr<TextStream> stream;
  };
  // kScratch when it had the first `tokens` of its text.
  struct Mark {
    size_t tokens = 0;
    std::unique_ptr<model::Context> context;
  };
  // What kScratch got since it was forked.
  struct Scratch {
    uint64_t parent = 0;              // lineage
    std::vector<model::TokenId> ids;  // bos included
    // Where a tag may begin, the last few.
    std::deque<Mark> marks;
    size_t start_tokens = 0;  // of the mark that became kScratchStart
  };
  // What goes onto a register in one piece: a segment, or an image's latents
  // and what the vision encoder sees of it.
  struct Piece {
    size_t steps = 1;
    int64_t rows = 0;
    std::optional<base::Digest> key;  // of all up to its end; nullopt: none
  };
  // A piece in the call under way that goes into the cache.
  struct Claim {
    int to = 0;  // register
    base::Digest parent;
    Piece piece;
  };
  // A ContextWork under way. Its contexts live here meanwhile.
  struct Appending {
    std::vector<ContextOp> ops;
    std::vector<model::Segment> segments;  // per op; what is to be appended
    std::vector<std::unique_ptr<model::ReplayedNoise>> noises;  // of segments
    ContextPlan plan;
    size_t next_step = 0;
    std::vector<std::unique_ptr<model::Context>> registers;
    std::vector<std::optional<base::Digest>> keys;  // per register
    std::vector<size_t> in_call;  // steps of the call under way
    std::vector<Claim> claims;    // in it
    std::vector<bool> cached;     // per op: found, not encoded
    std::array<ContextCounters, kSlots> before;
    std::vector<ContextCounters> after;  // per op that was encoded
  };

  // Each begins a piece of work; returns whether it waits for the driver.
  bool Begin(ContextWork work);
  bool Begin(DecodeWork work);
  // The most tokens, bos counted, that a text after `from` may have; may be
  // negative.
  int64_t TextRoom(const DecodeWork& work, const model::Context& from) const;
  bool Begin(FlowWork work);
  bool Begin(FinishWork work);
  void Advance();
  void TakeWishes();
  void KeepContexts();
  bool EndedAppending();
  void CountCached();
  void ReportOps();
  void Fork(const ContextStep& step);
  // Of the prefix cache.
  Piece PieceAt(size_t step) const;
  std::optional<base::Digest> KeyAfter(const base::Digest& before,
                                       size_t op) const;
  bool TakeCached();
  bool MayTake(int to, const Piece& piece);
  void KeepClaims();
  bool EndsText();
  void EndText(const DecodedText& text);
  void Emit(std::vector<TextDelta> deltas);

  // What a single item's failure means to its request.
  static absl::Status ItemError(const absl::Status& status);
  model::Context* Ensure(Slot slot);
  std::unique_ptr<model::Context>& context(Slot slot) {
    return contexts_[static_cast<size_t>(slot)];
  }
  void MarkTag();
  std::optional<Slot> StartOf(const std::vector<model::TokenId>& ids);
  // bos and eos included.
  std::vector<model::TokenId> TextIds(const TextPart& part) const;
  model::Segment MakeSegment(const PromptSegment& segment);
  int64_t SegmentRows(const model::Segment& segment) const;

  model::UnifiedModel* const model_;
  ExecutionSpec spec_;
  ExecutionObserver* const observer_;
  ExecutionProbe* const probe_;

  State state_ = State::kAppend;
  State failed_in_ = State::kAppend;
  std::array<std::unique_ptr<model::Context>, kSlots> contexts_;
  std::optional<Scratch> scratch_;
  Appending appending_;
  Decoding decoding_;
  FlowWork flow_work_;
  std::optional<model::ReplayedNoise> flow_noise_;  // of a start that failed
  std::unique_ptr<model::Flow> flow_;
  bool preview_ = false;  // kLatents is for a preview
  image::FloatRgbImage decoded_;
  // By map id: what the vision encoder sees.
  std::vector<std::shared_ptr<const image::RgbImage>> maps_;
  FinishWork finish_;
  SessionContexts kept_;
  bool inputs_done_ = false;
  absl::Status status_;
  Totals totals_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_EXECUTION_EXECUTION_H_
