#ifndef COOPER_MODEL_TOKENIZER_BPE_H_
#define COOPER_MODEL_TOKENIZER_BPE_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "model/text_codec.h"

namespace cooper::tokenizer {

// The merges of a byte-pair encoding, over token ids. Built once, then
// thread-safe.
class Bpe {
 public:
  // The next merge in order of rank. A repeated pair takes the later rank, as
  // in the reference.
  void AddMerge(model::TokenId left, model::TokenId right,
                model::TokenId result);

  // Working memory of Apply, reused between words; one per thread.
  struct Scratch {
    struct Node {
      model::TokenId id;
      int32_t previous;  // -1: none
      int32_t next;      // -1: none
    };
    std::vector<Node> nodes;
    std::vector<uint64_t> heap;  // rank, then position: lowest first
  };

  // Merges the pair of lowest rank, leftmost first, until none is left, and
  // appends the result to `out`. O(n log n) in the symbols of the word.
  void Apply(const std::vector<model::TokenId>& word, Scratch* scratch,
             std::vector<model::TokenId>* out) const;

 private:
  struct Merge {
    uint32_t rank;
    model::TokenId result;
  };
  const Merge* Find(model::TokenId left, model::TokenId right) const;

  absl::flat_hash_map<uint64_t, Merge> merges_;
  uint32_t next_rank_ = 0;
};

}  // namespace cooper::tokenizer

#endif  // COOPER_MODEL_TOKENIZER_BPE_H_
