#ifndef COOPER_SERVER_SECURITY_PEM_H_
#define COOPER_SERVER_SECURITY_PEM_H_

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

// PEM by OpenSSL. For sources only: other headers name none of its types.
namespace cooper::security {

struct OpenSslFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_CRL* list) const { X509_CRL_free(list); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
template <typename T>
using Owned = std::unique_ptr<T, OpenSslFree>;

// INVALID_ARGUMENT that names flag and file.
absl::Status PemError(absl::string_view flag, const std::string& path,
                      absl::string_view what);

// Errors name flag and file. INVALID_ARGUMENT: empty, or larger than `max_mib`;
// others (NOT_FOUND, PERMISSION_DENIED): cannot be read. Blocks on the disk.
absl::StatusOr<std::string> ReadPemFile(absl::string_view flag,
                                        const std::string& path,
                                        size_t max_mib);

// OpenSSL's last word; none is left of its words.
std::string LastOpenSslError();

// As far as gRPC, which takes C strings, will see it. `text` must outlive it.
Owned<BIO> OpenPem(const std::string& text);

// Without it OpenSSL would ask the terminal.
int NoPassphrase(char*, int, int, void*);

// At least one. INVALID_ARGUMENT, naming flag and file: there is none, or one
// that cannot be read. TRUSTED CERTIFICATEs are certificates, too, as they are
// to gRPC.
absl::StatusOr<std::vector<Owned<X509>>> ParseCertificates(
    absl::string_view flag, const std::string& path, const std::string& text);
absl::StatusOr<std::vector<Owned<X509_CRL>>> ParseCrls(absl::string_view flag,
                                                       const std::string& path,
                                                       const std::string& text);

// Infinitely long ago if it cannot be read.
absl::Time ToTime(const ASN1_TIME* time);

}  // namespace cooper::security

#endif  // COOPER_SERVER_SECURITY_PEM_H_
