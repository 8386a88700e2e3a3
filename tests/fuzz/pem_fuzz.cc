// PEM as the server reads it. An input is one text with all that a server may
// be given: its chain, its key, and the authorities of clients. An input
// without PEM is the DER of a certificate.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "server/security/pem.h"
#include "server/security/pem_files.h"
#include "tests/fuzz/fuzz_target.h"

namespace cooper::fuzz {
namespace {

using security::Owned;

std::string Contents(BIO* bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string ToPem(absl::string_view der) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  COOPER_CHECK(PEM_write_bio(bio.get(), PEM_STRING_X509, "",
                             reinterpret_cast<const unsigned char*>(der.data()),
                             static_cast<long>(der.size())) >= 0);
  return Contents(bio.get());
}

// Names of flags and files are in every error, and no error is left to the
// next user of OpenSSL on this thread: gRPC.
void CheckRefusal(const absl::Status& status, absl::string_view flag) {
  COOPER_CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  COOPER_CHECK(absl::StartsWith(status.message(), absl::StrCat(flag, ": ")));
}
void CheckNoErrorIsLeft() { COOPER_CHECK(ERR_peek_error() == 0); }

// The certificates and lists that were read are read again from what OpenSSL
// writes of them.
template <typename T, typename Read, typename Write>
void CheckList(const Read& read, const Write& write, const std::string& text) {
  const absl::StatusOr<std::vector<Owned<T>>> items =
      read("flag", "file", text);
  CheckNoErrorIsLeft();
  if (!items.ok()) return CheckRefusal(items.status(), "flag");
  COOPER_CHECK(!items->empty());
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  for (const Owned<T>& item : *items) {
    COOPER_CHECK(write(bio.get(), item.get()) == 1);
  }
  const auto again = read("flag", "file", Contents(bio.get()));
  COOPER_CHECK(again.ok() && again->size() == items->size());
}

// What gRPC does with a certificate and its key succeeds, too.
void CheckUsable(const std::string& text) {
  const Owned<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
  const Owned<X509> certificate(PEM_read_bio_X509_AUX(
      security::OpenPem(text).get(), nullptr, security::NoPassphrase, nullptr));
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(
      security::OpenPem(text).get(), nullptr, security::NoPassphrase, nullptr));
  COOPER_CHECK(SSL_CTX_use_certificate(context.get(), certificate.get()) == 1);
  COOPER_CHECK(SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1);
  COOPER_CHECK(SSL_CTX_check_private_key(context.get()) == 1);
  ERR_clear_error();
}

}  // namespace

void FuzzOne(absl::string_view bytes) {
  const std::string text =
      absl::StrContains(bytes, "-----") ? std::string(bytes) : ToPem(bytes);
  CheckList<X509>(security::ParseCertificates, PEM_write_bio_X509, text);
  CheckList<X509_CRL>(security::ParseCrls, PEM_write_bio_X509_CRL, text);

  const std::string path = ScratchDirectory() + "/all.pem";
  WriteFile(path, text);
  const security::TlsFiles files{path, path, path, ""};
  const auto texts = security::ReadPemFiles(files);
  COOPER_CHECK(texts.ok() && texts->cert == text && texts->key == text);
  const auto expiry = security::CheckPemTexts(*texts, files);
  CheckNoErrorIsLeft();
  if (expiry.ok()) return CheckUsable(text);
  COOPER_CHECK(absl::StartsWith(expiry.status().message(), "tls_"));
  COOPER_CHECK(expiry.status().code() == absl::StatusCode::kInvalidArgument);
  COOPER_CHECK(absl::StrContains(expiry.status().message(), path));
}

}  // namespace cooper::fuzz
