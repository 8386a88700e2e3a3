#ifndef COOPER_BASE_DIGEST_H_
#define COOPER_BASE_DIGEST_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include "absl/strings/string_view.h"

struct evp_md_ctx_st;

namespace cooper::base {

// A SHA-256: equal digests mean equal contents, also where somebody would like
// them not to.
using Digest = std::array<uint8_t, 32>;

// Digests what is added, in order. Whoever adds parts of varying size adds
// their sizes too. Not thread-safe.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  Hasher& Add(const void* data, size_t bytes);
  Hasher& Add(absl::string_view bytes) {
    return Add(bytes.data(), bytes.size());
  }
  Hasher& Add(const Digest& digest) {
    return Add(digest.data(), digest.size());
  }
  // In this machine's byte order.
  template <typename Integer,
            typename = std::enable_if_t<std::is_integral_v<Integer>>>
  Hasher& AddInteger(Integer value) {
    return Add(&value, sizeof(value));
  }
  // Call once, last.
  Digest Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

// The first 8 bytes of the SHA-256 of `name`, in hexadecimal: for names that a
// log must not hold.
std::string ShortDigest(absl::string_view name);

}  // namespace cooper::base

#endif  // COOPER_BASE_DIGEST_H_
