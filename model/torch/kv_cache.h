#ifndef COOPER_MODEL_TORCH_KV_CACHE_H_
#define COOPER_MODEL_TORCH_KV_CACHE_H_

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "model/torch/device.h"
#include "model/unified_model.h"

// Keys and values of all contexts, in pages of a fixed number of tokens.
//
// Invariants:
// - A page holds `page_tokens` consecutive tokens of one sequence, for all
//   layers. Its first `filled` tokens are written and never change.
// - A page is on the free list exactly if no page table holds it.
// - A context may write into its last page in place only if nobody has written
//   behind its own length there; otherwise it first takes a copy of that page.
//   So forks share everything up to the page in which they part.
//
// Pages rather than one slot a context: a fork copies nothing but the page in
// which it parts, and the pool never fragments.
//
// Not thread-safe; `used_pages` may be read from any thread.

namespace cooper::torch_model {

class KvPool {
 public:
  struct Shape {
    int layers = 0;
    int64_t kv_heads = 0;
    int64_t head_dim = 0;
  };
  static constexpr int64_t kPageTokens = 64;

  static int64_t PageBytes(const Shape& shape, at::ScalarType dtype);

  KvPool(const Shape& shape, int64_t pages, const Device& device);

  int64_t pages() const { return static_cast<int64_t>(filled_.size()); }
  int64_t used_pages() const { return used_.load(std::memory_order_relaxed); }
  int64_t page_bytes() const { return page_bytes_; }
  const Shape& shape() const { return shape_; }

  // All slots of a layer: [pages * kPageTokens, kv_heads, head_dim].
  const at::Tensor& keys(int layer) const { return keys_[layer]; }
  const at::Tensor& values(int layer) const { return values_[layer]; }

 private:
  friend class PagedContext;
  struct Table;

  bool Take(int64_t count, std::vector<int32_t>* pages);
  void Release(int32_t page);
  void CopyPage(int32_t from, int32_t to, int64_t tokens);

  const Shape shape_;
  int64_t page_bytes_ = 0;
  std::vector<at::Tensor> keys_, values_;  // by layer
  std::vector<int32_t> references_;        // by page
  std::vector<int32_t> filled_;            // by page: tokens written
  std::vector<int32_t> free_;              // last in, first out: stays warm
  std::atomic<int64_t> used_{0};
};

// A context of the pool.
class PagedContext final : public model::Context {
 public:
  explicit PagedContext(KvPool* pool);
  ~PagedContext() override;

  std::unique_ptr<model::Context> Fork() const override;
  int64_t cache_length() const override { return length_; }
  int64_t next_position() const override { return position_; }
  uint64_t lineage() const override { return lineage_; }

  // Makes room for `tokens` more. RESOURCE_EXHAUSTED: the pool is full; the
  // context is unchanged.
  absl::Status Reserve(int64_t tokens);
  // After their keys and values were written: counts `tokens` more and moves
  // the position by `advance`.
  void Commit(int64_t tokens, int64_t advance);

  // Slot of token `index` in KvPool::keys(layer); index may lie in what was
  // reserved.
  int64_t Slot(int64_t index) const;
  // Page ids in order; the first ceil(length / kPageTokens) hold the context.
  const std::vector<int32_t>& pages() const;
  // Slots of the first `length` tokens, int64 on the pool's device.
  at::Tensor Slots(int64_t length) const;
  KvPool* pool() const { return pool_; }

 private:
  PagedContext(const PagedContext& other) = default;
  void OwnTable();

  KvPool* pool_;
  std::shared_ptr<KvPool::Table> table_;  // shared by forks until one grows
  int64_t length_ = 0;
  int64_t position_ = 0;
  uint64_t lineage_ = 0;
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_KV_CACHE_H_
