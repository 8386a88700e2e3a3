#ifndef COOPER_MODEL_TORCH_APPEND_BATCH_H_
#define COOPER_MODEL_TORCH_APPEND_BATCH_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/torch/pass.h"
#include "model/unified_model.h"

namespace cooper::torch_model {

// The embeddings of one segment, ready to go into a pass.
struct EmbeddedSegment {
  at::Tensor und;       // [rows, hidden]: text, or soi + patches + eoi, or soi
                        // and eoi around latents
  at::Tensor gen;       // latents; undefined: none
  bool causal = false;  // text
  int64_t tokens() const {
    return und.size(0) + (gen.defined() ? gen.size(0) : 0);
  }
  // A text moves the position by its length, an image by one.
  int64_t advance() const { return causal ? und.size(0) : 1; }
};

// Lays segments of several contexts out as one pass. Items of one context see
// those before them, since their keys and values are in the cache by then.
class AppendBatch {
 public:
  // `context` has room reserved for all that is added to it.
  void Add(PagedContext* context, const EmbeddedSegment& segment);
  bool empty() const { return input_.segments.empty(); }

  // The pass; call once.
  PassInput TakeInput(bool need_output);
  // A context that is not to be committed; its segments leave the pass too.
  void Drop(const PagedContext* context);
  // Makes the contexts count what was appended; after the pass.
  void Commit();

  // Rope position of the first token of segment `index`, and all of them.
  std::vector<int64_t> Positions(size_t index) const;

 private:
  struct Growth {
    PagedContext* context;
    int64_t tokens;
    int64_t advance;
  };
  struct Place {
    int64_t position;
    int64_t tokens;
    bool causal;
  };
  Growth& GrowthOf(PagedContext* context);

  PassInput input_;
  std::vector<at::Tensor> und_, gen_;
  std::vector<Growth> growth_;  // by context, in order of appearance
  std::vector<Place> places_;   // by segment
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_APPEND_BATCH_H_
