#include "model/fake/fake_context.h"

#include <algorithm>
#include <utility>

namespace cooper::fake {

absl::Status PoolFull() {
  return absl::ResourceExhaustedError("the context pool is full");
}

uint64_t MixHash(uint64_t a, uint64_t b) {
  uint64_t x = a + 0x9E3779B97F4A7C15 + (b << 6) + (b >> 2);
  x ^= b * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

// Ids that several contexts have in common.
struct FakeContext::Block {
  Block(std::shared_ptr<FakePool> pool, std::shared_ptr<const Block> before,
        std::vector<model::TokenId> ids)
      : pool(std::move(pool)), before(std::move(before)), ids(std::move(ids)) {}
  ~Block() { pool->used_tokens -= static_cast<int64_t>(ids.size()); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  const std::shared_ptr<FakePool> pool;
  const std::shared_ptr<const Block> before;
  const std::vector<model::TokenId> ids;
};

FakeContext::FakeContext(std::shared_ptr<FakePool> pool)
    : pool_(std::move(pool)) {
  ++pool_->contexts;
}

FakeContext::FakeContext(const FakeContext& other)
    : script(other.script),
      script_next(other.script_next),
      pool_(other.pool_),
      shared_(other.shared_),
      length_(other.length_),
      position_(other.position_),
      lineage_(other.lineage_),
      hash_(other.hash_) {
  ++pool_->contexts;
}

FakeContext::~FakeContext() {
  pool_->used_tokens -= static_cast<int64_t>(own_.size());
  --pool_->contexts;
}

std::unique_ptr<model::Context> FakeContext::Fork() const {
  if (!own_.empty()) {
    shared_ = std::make_shared<const Block>(pool_, std::move(shared_),
                                            std::exchange(own_, {}));
  }
  return std::unique_ptr<FakeContext>(new FakeContext(*this));
}

bool FakeContext::Append(const std::vector<model::TokenId>& ids,
                         int64_t advance, uint64_t content_hash) {
  const auto count = static_cast<int64_t>(ids.size());
  if (pool_->used_tokens + count > pool_->capacity_tokens) return false;
  pool_->used_tokens += count;
  own_.insert(own_.end(), ids.begin(), ids.end());
  length_ += count;
  position_ += advance;
  lineage_ = ++pool_->last_lineage;
  hash_ = MixHash(hash_, content_hash);
  script = nullptr;
  return true;
}

bool FakeContext::AppendText(const std::vector<model::TokenId>& ids) {
  const uint64_t before = hash_;
  if (!Append(ids, static_cast<int64_t>(ids.size()), 0)) return false;
  hash_ = before;
  for (const model::TokenId id : ids) hash_ = MixHash(hash_, MixHash(1, id));
  return true;
}

std::vector<model::TokenId> FakeContext::Ids() const {
  std::vector<const Block*> blocks;
  for (const Block* block = shared_.get(); block != nullptr;
       block = block->before.get()) {
    blocks.push_back(block);
  }
  std::vector<model::TokenId> ids;
  ids.reserve(length_);
  for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
    ids.insert(ids.end(), (*block)->ids.begin(), (*block)->ids.end());
  }
  ids.insert(ids.end(), own_.begin(), own_.end());
  return ids;
}

}  // namespace cooper::fake
