#ifndef COOPER_SERVER_ENGINE_EXECUTION_TEXT_DECODER_H_
#define COOPER_SERVER_ENGINE_EXECUTION_TEXT_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/unified_model.h"
#include "server/engine/execution/execution_observer.h"
#include "server/engine/program/program.h"
#include "server/engine/program/text_stream.h"

namespace cooper::engine {

// The context on which a text was decoded (Branch::kScratch), and forks of it
// at places within the text where a tag may begin. What is appended next often
// begins with this text, and need not be encoded again.
//
// Invariant: `context` holds what it was forked from, then `ids`.
struct ScratchText {
  struct Mark {
    size_t tokens = 0;  // of ids
    std::unique_ptr<model::Context> context;
  };

  // The branch whose text `longer` begins with and goes on: kScratch, or
  // kScratchStart. The first mark that fits becomes kScratchStart, for good.
  std::optional<Branch> StartOf(const std::vector<model::TokenId>& longer);

  uint64_t parent = 0;                      // lineage of the forked context
  std::vector<model::TokenId> ids;          // bos included
  std::unique_ptr<model::Context> context;  // kScratch
  std::deque<Mark> marks;                   // the last few
  Mark start;                               // kScratchStart; null: none yet
};

// Decodes one text at a time: holds its context, tells the observer of its
// tokens and their text, and says where it ends. The driver runs the model.
//
// Not thread-safe; belongs to the thread that drives the Execution.
class TextDecoder {
 public:
  // Both outlive it.
  TextDecoder(const model::TextCodec* codec, ExecutionObserver* observer)
      : codec_(codec), observer_(observer) {}

  // Begins a text on a fork of `from`; work.max_tokens is positive.
  void Begin(const DecodeWork& work, const model::Context& from);

  // What the model gets next.
  model::Context* context() const { return scratch_->context.get(); }
  model::TokenId last() const { return last_; }
  // The model took last() and chose `next`. Returns whether `next` is part of
  // the text: it is not eos, and the text was not full.
  bool Push(model::TokenId next);
  // Whether the text ends here: at eos, its limit, or a control spelling.
  bool ended() const { return eos_ || full_ || stream_->ended(); }
  std::string written() const { return codec_->Decode(ids_); }
  // Ends the text. `interrupted`: the program ended it (Program::EndsText).
  DecodedText Finish(bool interrupted);

  // The context of the text that was decoded last, if it was not taken.
  std::optional<ScratchText> TakeScratch();

 private:
  void MarkTag();
  void Emit(std::vector<TextDelta> deltas);

  const model::TextCodec* const codec_;
  ExecutionObserver* const observer_;
  DecodeWork work_;
  std::unique_ptr<TextStream> stream_;
  std::vector<model::TokenId> ids_;  // chosen so far
  model::TokenId last_ = 0;          // chosen, not yet in the cache
  bool eos_ = false;
  bool full_ = false;
  std::optional<ScratchText> scratch_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_EXECUTION_TEXT_DECODER_H_
