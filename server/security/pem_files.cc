#include "server/security/pem_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "server/security/pem.h"

namespace cooper::security {
namespace {

constexpr size_t kMaxMib = 1;

}  // namespace

absl::Status TlsFiles::Validate() const {
  if (cert.empty() != key.empty()) {
    return absl::InvalidArgumentError("tls_cert and tls_key go together");
  }
  if (cert.empty() && !client_ca.empty()) {
    return absl::InvalidArgumentError(
        "tls_client_ca needs tls_cert and tls_key");
  }
  if (client_ca.empty() && !crl.empty()) {
    return PemError("tls_crl", crl, "needs tls_client_ca");
  }
  return absl::OkStatus();
}

absl::StatusOr<PemTexts> ReadPemFiles(const TlsFiles& files) {
  PemTexts texts;
  COOPER_ASSIGN_OR_RETURN(texts.cert,
                          ReadPemFile("tls_cert", files.cert, kMaxMib));
  COOPER_ASSIGN_OR_RETURN(texts.key,
                          ReadPemFile("tls_key", files.key, kMaxMib));
  if (!files.client_ca.empty()) {
    COOPER_ASSIGN_OR_RETURN(
        texts.client_ca,
        ReadPemFile("tls_client_ca", files.client_ca, kMaxMib));
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
  const Owned<BIO> bio = OpenPem(texts.key);
  const Owned<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  if (key == nullptr) {
    return PemError(
        "tls_key", files.key,
        absl::StrCat("has no PEM private key without a passphrase: ",
                     LastOpenSslError()));
  }
  if (X509_check_private_key(chain[0].get(), key.get()) != 1) {
    ERR_clear_error();
    return PemError(
        "tls_key", files.key,
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
    return PemError("tls_cert", files.cert,
                    absl::StrCat("cannot be used: ", LastOpenSslError()));
  }
  // OpenSSL takes certificates with a malformed extension, but queues an error,
  // which the next connection on this thread would take for its own.
  ERR_clear_error();
  return ToTime(X509_get0_notAfter(chain[0].get()));
}

}  // namespace cooper::security
