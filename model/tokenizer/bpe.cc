#include "model/tokenizer/bpe.h"

#include <algorithm>
#include <functional>

namespace cooper::tokenizer {
namespace {

using model::TokenId;

constexpr TokenId kMergedAway = -1;

uint64_t Key(TokenId left, TokenId right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 |
         static_cast<uint32_t>(right);
}

}  // namespace

void Bpe::AddMerge(TokenId left, TokenId right, TokenId result) {
  merges_[Key(left, right)] = {next_rank_++, result};
}

const Bpe::Merge* Bpe::Find(TokenId left, TokenId right) const {
  const auto found = merges_.find(Key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void Bpe::Apply(const std::vector<TokenId>& word, Scratch* scratch,
                std::vector<TokenId>* out) const {
  auto& nodes = scratch->nodes;
  auto& heap = scratch->heap;
  nodes.clear();
  heap.clear();
  const int32_t count = static_cast<int32_t>(word.size());
  for (int32_t i = 0; i < count; ++i) {
    nodes.push_back({word[i], i - 1, i + 1 < count ? i + 1 : -1});
  }
  const auto pair_at = [&](int32_t i) -> const Merge* {
    if (i < 0 || nodes[i].id == kMergedAway || nodes[i].next < 0) {
      return nullptr;
    }
    return Find(nodes[i].id, nodes[nodes[i].next].id);
  };
  const auto entry = [](uint32_t rank, int32_t i) {
    return uint64_t{rank} << 32 | static_cast<uint32_t>(i);
  };
  const auto push = [&](int32_t i) {
    if (const Merge* merge = pair_at(i)) {
      heap.push_back(entry(merge->rank, i));
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
  };
  for (int32_t i = 0; i < count; ++i) {
    if (const Merge* merge = pair_at(i)) heap.push_back(entry(merge->rank, i));
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const uint64_t best = heap.back();
    heap.pop_back();
    const int32_t i = static_cast<int32_t>(best & 0xFFFFFFFF);
    // An entry goes stale when a neighbour was merged in the meantime.
    const Merge* merge = pair_at(i);
    if (merge == nullptr || entry(merge->rank, i) != best) continue;
    const int32_t gone = nodes[i].next;
    nodes[i].id = merge->result;
    nodes[i].next = nodes[gone].next;
    nodes[gone].id = kMergedAway;
    if (nodes[i].next >= 0) nodes[nodes[i].next].previous = i;
    push(nodes[i].previous);
    push(i);
  }
  for (int32_t i = count > 0 ? 0 : -1; i >= 0; i = nodes[i].next) {
    out->push_back(nodes[i].id);
  }
}

}  // namespace cooper::tokenizer
