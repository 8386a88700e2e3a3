#include "model/torch/kv_cache.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace cooper::torch_model {

// The pages of one or more equal contexts; holds one reference on each.
struct KvPool::Table {
  explicit Table(KvPool* pool) : pool(pool) {}
  ~Table() {
    for (const int32_t page : pages) pool->Release(page);
  }
  Table(const Table& other) : pool(other.pool), pages(other.pages) {
    for (const int32_t page : pages) ++pool->references_[page];
  }
  Table& operator=(const Table&) = delete;

  KvPool* pool;
  std::vector<int32_t> pages;
};

int64_t KvPool::PageBytes(const Shape& shape, at::ScalarType dtype) {
  return int64_t{2} * shape.layers * kPageTokens * shape.kv_heads *
         shape.head_dim * static_cast<int64_t>(c10::elementSize(dtype));
}

KvPool::KvPool(const Shape& shape, int64_t pages, const Device& device)
    : shape_(shape),
      page_bytes_(PageBytes(shape, device.dtype)),
      references_(pages, 0),
      filled_(pages, 0) {
  const auto options = at::TensorOptions(device.dtype).device(device.device);
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (std::vector<at::Tensor>* store : {&keys_, &values_}) {
      // A GPU's kernels may load whole pages, and what was never written must
      // not be a NaN; on a CPU, memory that is not touched is not taken.
      const std::vector<int64_t> sizes = {pages * kPageTokens, shape.kv_heads,
                                          shape.head_dim};
      store->push_back(device.is_cpu() ? at::empty(sizes, options)
                                       : at::zeros(sizes, options));
    }
  }
  free_.reserve(pages);
  for (int64_t page = pages - 1; page >= 0; --page) {
    free_.push_back(static_cast<int32_t>(page));
  }
}

bool KvPool::Take(int64_t count, std::vector<int32_t>* pages) {
  if (count > static_cast<int64_t>(free_.size())) return false;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t page = free_.back();
    free_.pop_back();
    references_[page] = 1;
    filled_[page] = 0;
    pages->push_back(page);
  }
  used_.fetch_add(count, std::memory_order_relaxed);
  return true;
}

void KvPool::Release(int32_t page) {
  COOPER_CHECK(references_[page] > 0);
  if (--references_[page] > 0) return;
  free_.push_back(page);
  used_.fetch_sub(1, std::memory_order_relaxed);
}

void KvPool::CopyPage(int32_t from, int32_t to, int64_t tokens) {
  const c10::InferenceMode no_gradients;
  for (int layer = 0; layer < shape_.layers; ++layer) {
    for (const at::Tensor* store : {&keys_[layer], &values_[layer]}) {
      store->narrow(0, int64_t{to} * kPageTokens, tokens)
          .copy_(store->narrow(0, int64_t{from} * kPageTokens, tokens));
    }
  }
  filled_[to] = static_cast<int32_t>(tokens);
}

PagedContext::PagedContext(KvPool* pool)
    : pool_(pool), table_(std::make_shared<KvPool::Table>(pool)) {}

PagedContext::~PagedContext() = default;

std::unique_ptr<model::Context> PagedContext::Fork() const {
  return std::unique_ptr<model::Context>(new PagedContext(*this));
}

void PagedContext::OwnTable() {
  if (table_.use_count() > 1) {
    table_ = std::make_shared<KvPool::Table>(*table_);
  }
}

absl::Status PagedContext::Reserve(int64_t tokens) {
  constexpr int64_t kPage = KvPool::kPageTokens;
  const int64_t have = (length_ + kPage - 1) / kPage;
  const int64_t need = (length_ + tokens + kPage - 1) / kPage;
  const int64_t tail = length_ % kPage;
  OwnTable();
  std::vector<int32_t>& pages = table_->pages;
  // Pages behind our length are left-overs of a prefill that failed.
  while (static_cast<int64_t>(pages.size()) > have) {
    pool_->Release(pages.back());
    pages.pop_back();
  }
  const bool part = tail > 0 && pool_->filled_[pages.back()] > tail &&
                    pool_->references_[pages.back()] > 1;
  std::vector<int32_t> taken;
  if (!pool_->Take(need - have + (part ? 1 : 0), &taken)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the KV cache is full: ", need - have, " pages of ", kPage,
                     " tokens needed, ", pool_->free_.size(), " of ",
                     pool_->pages(), " free"));
  }
  auto next = taken.begin();
  if (part) {
    pool_->CopyPage(pages.back(), *next, tail);
    pool_->Release(pages.back());
    pages.back() = *next++;
  }
  pages.insert(pages.end(), next, taken.end());
  // What we are about to write is nobody else's to write.
  for (int64_t index = length_; index < length_ + tokens;) {
    const int64_t end = std::min((index / kPage + 1) * kPage, length_ + tokens);
    pool_->filled_[pages[index / kPage]] =
        static_cast<int32_t>(end - index / kPage * kPage);
    index = end;
  }
  return absl::OkStatus();
}

void PagedContext::Commit(int64_t tokens, int64_t advance) {
  static std::atomic<uint64_t> next_lineage{1};
  length_ += tokens;
  position_ += advance;
  lineage_ = next_lineage.fetch_add(1, std::memory_order_relaxed);
}

int64_t PagedContext::Slot(int64_t index) const {
  return int64_t{table_->pages[index / KvPool::kPageTokens]} *
             KvPool::kPageTokens +
         index % KvPool::kPageTokens;
}

const std::vector<int32_t>& PagedContext::pages() const {
  return table_->pages;
}

at::Tensor PagedContext::Slots(int64_t length) const {
  std::vector<int64_t> slots(length);
  for (int64_t i = 0; i < length; ++i) slots[i] = Slot(i);
  return at::tensor(slots, at::kLong).to(pool_->keys_[0].device());
}

}  // namespace cooper::torch_model
