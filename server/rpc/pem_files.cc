#include "server/rpc/pem_files.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/status_macros.h"

namespace cooper::rpc {
namespace {

constexpr size_t kMaxBytes = 1 << 20;

struct Free {
  void operator()(FILE* file) const { std::fclose(file); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

absl::Status At(absl::string_view flag, const std::string& path,
                absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(flag, ": ", path, ": ", what));
}

absl::Status ReadFile(absl::string_view flag, const std::string& path,
                      std::string* text) {
  const auto failed = [&] {
    return absl::ErrnoToStatus(
        errno, absl::StrCat(flag, ": ", path, ": cannot be read"));
  };
  const Owned<FILE> file(std::fopen(path.c_str(), "rbe"));
  if (file == nullptr) return failed();
  text->clear();
  char buffer[4096];
  size_t got = 0;
  while ((got = std::fread(buffer, 1, sizeof(buffer), file.get())) > 0) {
    text->append(buffer, got);
    if (text->size() > kMaxBytes) return At(flag, path, "is larger than 1 MiB");
  }
  if (std::ferror(file.get()) != 0) return failed();
  if (text->empty()) return At(flag, path, "is empty");
  return absl::OkStatus();
}

// OpenSSL's last word; none is left of its words.
std::string LastError() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason == nullptr ? "unknown error" : reason;
}

// As far as gRPC, which takes C strings, will see it.
Owned<BIO> Open(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.c_str(), -1));
}

// Without it OpenSSL would ask the terminal.
int NoPassphrase(char*, int, int, void*) { return -1; }

absl::StatusOr<std::vector<Owned<X509>>> ParseCertificates(
    absl::string_view flag, const std::string& path, const std::string& text) {
  ERR_clear_error();
  const Owned<BIO> bio = Open(text);
  std::vector<Owned<X509>> certificates;
  while (X509* certificate =
             PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr)) {
    certificates.emplace_back(certificate);
  }
  const auto error = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM &&
                      ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  const std::string reason = LastError();
  if (!at_end) {
    return At(flag, path,
              absl::StrCat("certificate ", certificates.size() + 1,
                           " cannot be read: ", reason));
  }
  if (certificates.empty()) return At(flag, path, "has no PEM certificate");
  return certificates;
}

absl::Time ExpiryOf(const X509* certificate) {
  std::tm time = {};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) != 1) {
    ERR_clear_error();
    return absl::InfinitePast();
  }
  return absl::FromTM(time, absl::UTCTimeZone());
}

}  // namespace

absl::Status TlsFiles::Validate() const {
  if (cert.empty() != key.empty()) {
    return absl::InvalidArgumentError("tls_cert and tls_key go together");
  }
  if (cert.empty() && !client_ca.empty()) {
    return absl::InvalidArgumentError(
        "tls_client_ca needs tls_cert and tls_key");
  }
  return absl::OkStatus();
}

absl::StatusOr<PemTexts> ReadPemFiles(const TlsFiles& files) {
  PemTexts texts;
  COOPER_RETURN_IF_ERROR(ReadFile("tls_cert", files.cert, &texts.cert));
  COOPER_RETURN_IF_ERROR(ReadFile("tls_key", files.key, &texts.key));
  if (!files.client_ca.empty()) {
    COOPER_RETURN_IF_ERROR(
        ReadFile("tls_client_ca", files.client_ca, &texts.client_ca));
  }
  return texts;
}

absl::StatusOr<absl::Time> CheckPemTexts(const PemTexts& texts,
                                         const TlsFiles& files) {
  COOPER_ASSIGN_OR_RETURN(
      const auto chain, ParseCertificates("tls_cert", files.cert, texts.cert));
  if (!texts.client_ca.empty()) {
    COOPER_RETURN_IF_ERROR(
        ParseCertificates("tls_client_ca", files.client_ca, texts.client_ca)
            .status());
  }
  const Owned<BIO> bio = Open(texts.key);
  const Owned<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  if (key == nullptr) {
    return At("tls_key", files.key,
              absl::StrCat("has no PEM private key without a passphrase: ",
                           LastError()));
  }
  if (X509_check_private_key(chain[0].get(), key.get()) != 1) {
    ERR_clear_error();
    return At("tls_key", files.key,
              absl::StrCat("is not the key of the certificate in tls_cert: ",
                           files.cert));
  }
  const Owned<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
  bool taken = context != nullptr &&
               SSL_CTX_use_certificate(context.get(), chain[0].get()) == 1;
  for (size_t i = 1; taken && i < chain.size(); ++i) {
    taken = SSL_CTX_add1_chain_cert(context.get(), chain[i].get()) == 1;
  }
  if (!taken || SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) {
    return At("tls_cert", files.cert,
              absl::StrCat("cannot be used: ", LastError()));
  }
  return ExpiryOf(chain[0].get());
}

}  // namespace cooper::rpc
