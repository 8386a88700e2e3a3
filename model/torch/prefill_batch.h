#ifndef COOPER_MODEL_TORCH_PREFILL_BATCH_H_
#define COOPER_MODEL_TORCH_PREFILL_BATCH_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/torch/pass.h"
#include "model/unified_model.h"

namespace cooper::torch_model {

// One segment, ready to go into a pass: a text, or the embeddings of an image.
struct EmbeddedSegment {
  std::vector<model::TokenId> text;
  at::Tensor und;  // [rows, hidden]: soi + patches + eoi, or soi and eoi around
                   // latents; undefined: a text
  at::Tensor gen;  // latents; undefined: none

  bool is_text() const { return !und.defined(); }
  int64_t und_rows() const {
    return is_text() ? static_cast<int64_t>(text.size()) : und.size(0);
  }
  int64_t tokens() const {
    return und_rows() + (gen.defined() ? gen.size(0) : 0);
  }
  // A text moves the position by its length, an image by one.
  int64_t advance() const { return is_text() ? und_rows() : 1; }
};

// Lays segments of several contexts out as one pass. Items of one context see
// those before them, since their keys and values are in the cache by then.
class PrefillBatch {
 public:
  // `context` has room reserved for all that is added to it.
  void Add(PagedContext* context, const EmbeddedSegment& segment);

  // The pass; call once.
  PassInput TakeInput(bool need_output);
  // A context that is not to be committed; its segments leave the pass too.
  void Drop(const PagedContext* context);
  // Makes the contexts count what was appended; after the pass.
  void Commit();

 private:
  struct Growth {
    PagedContext* context;
    int64_t tokens;
    int64_t advance;
  };
  Growth& GrowthOf(PagedContext* context);

  PassInput input_;
  std::vector<at::Tensor> gen_;
  std::vector<Growth> growth_;  // by context, in order of appearance
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_PREFILL_BATCH_H_
