#include "base/digest.h"

#include <openssl/evp.h>

#include "absl/strings/escaping.h"
#include "base/check.h"

namespace cooper::base {

void Hasher::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Hasher::Hasher() : context_(EVP_MD_CTX_new()) {
  COOPER_CHECK(context_ != nullptr);
  COOPER_CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

Hasher::~Hasher() = default;

Hasher& Hasher::Add(const void* data, size_t bytes) {
  COOPER_CHECK(EVP_DigestUpdate(context_.get(), data, bytes) == 1);
  return *this;
}

Digest Hasher::Finish() {
  Digest digest;
  unsigned int size = 0;
  COOPER_CHECK(EVP_DigestFinal_ex(context_.get(), digest.data(), &size) == 1);
  COOPER_CHECK(size == digest.size());
  return digest;
}

std::string ShortDigest(absl::string_view name) {
  const Digest digest = Hasher().Add(name).Finish();
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), 8));
}

}  // namespace cooper::base
