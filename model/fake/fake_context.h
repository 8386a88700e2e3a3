#ifndef COOPER_MODEL_FAKE_FAKE_CONTEXT_H_
#define COOPER_MODEL_FAKE_FAKE_CONTEXT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/text_codec.h"
#include "model/unified_model.h"

namespace cooper::fake {

// Counts what is alive. Shared by the model and its contexts.
struct FakePool {
  int64_t capacity_tokens = 0;
  std::atomic<int64_t> used_tokens{0};
  std::atomic<int> contexts{0};
  std::atomic<int> denoisers{0};
  std::atomic<uint64_t> last_lineage{0};
};

// A context that keeps what was appended to it as ids (an image is kImageToken
// between soi and eoi). Forks share what they have in common, which counts
// once in the pool.
class FakeContext final : public model::Context {
 public:
  static constexpr model::TokenId kImageToken = -1;

  explicit FakeContext(std::shared_ptr<FakePool> pool);
  ~FakeContext() override;
  FakeContext& operator=(const FakeContext&) = delete;

  std::unique_ptr<model::Context> Fork() const override;
  int64_t cache_length() const override { return length_; }
  int64_t next_position() const override { return position_; }
  uint64_t lineage() const override { return lineage_; }

  // False, and nothing is changed, where the pool has not enough tokens left.
  bool Append(const std::vector<model::TokenId>& ids, int64_t advance,
              uint64_t content_hash);
  // The same of a text, whose content counts token by token: it makes no
  // difference in which parts a text is appended.
  bool AppendText(const std::vector<model::TokenId>& ids);
  // All ids from the start.
  std::vector<model::TokenId> Ids() const;
  // Of everything appended: equal contents, equal hash, in any process.
  uint64_t content_hash() const { return hash_; }

  // The text being decoded here, and how far it is.
  const std::vector<model::TokenId>* script = nullptr;
  size_t script_next = 0;

 private:
  struct Block;

  FakeContext(const FakeContext& other);

  std::shared_ptr<FakePool> pool_;
  // What is shared with forks, and what only this one has. Forking moves the
  // latter to the former, which nobody can tell.
  mutable std::shared_ptr<const Block> shared_;
  mutable std::vector<model::TokenId> own_;
  int64_t length_ = 0;
  int64_t position_ = 0;
  uint64_t lineage_ = 0;
  uint64_t hash_ = 0;
};

// What an item's status says where Append was false.
absl::Status PoolFull();

// A good mix of two numbers.
uint64_t MixHash(uint64_t a, uint64_t b);

}  // namespace cooper::fake

#endif  // COOPER_MODEL_FAKE_FAKE_CONTEXT_H_
