#ifndef COOPER_TESTS_SERVER_SECURITY_TEST_CERTIFICATES_H_
#define COOPER_TESTS_SERVER_SECURITY_TEST_CERTIFICATES_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/security/pem_files.h"

namespace cooper::testing {

// A certificate for 127.0.0.1 and its key, as PEM.
struct TestCertificate {
  std::string cert;
  std::string key;
};

// Signed by `authority`, or by itself and then fit to be one.
TestCertificate MakeCertificate(
    const std::string& name, const TestCertificate* authority = nullptr,
    absl::Time expiry = absl::FromUnixSeconds(4000000000));

// One that is fit to sign others, signed by `authority`.
TestCertificate MakeIntermediate(const std::string& name,
                                 const TestCertificate& authority);

// The list of `authority` that revokes `revoked`, as PEM, whoever issued them.
std::string MakeCrl(const TestCertificate& authority,
                    const std::vector<TestCertificate>& revoked,
                    absl::Time next_update = absl::FromUnixSeconds(4000000000));

// The same with a passphrase on its key.
TestCertificate WithPassphrase(const TestCertificate& certificate);

// The same as OpenSSL's TRUSTED CERTIFICATE.
TestCertificate AsTrusted(const TestCertificate& certificate);

// The name in the certificate that a listener on 127.0.0.1 shows to a new
// connection; empty where it shows none.
std::string PeerName(int port);

// A folder that is mounted as Kubernetes mounts a Secret: its files are links
// to those of one version, and all versions change at once.
class MountedSecret {
 public:
  explicit MountedSecret(const security::PemTexts& texts,
                         const std::string& crl = "");
  ~MountedSecret();
  MountedSecret(const MountedSecret&) = delete;
  MountedSecret& operator=(const MountedSecret&) = delete;

  // An empty text leaves the file out.
  void Exchange(const security::PemTexts& texts, const std::string& crl = "");

  // All files, or without the lists of callers, or their authority either.
  security::TlsFiles files_with_crl() const;
  security::TlsFiles files() const;
  security::TlsFiles files_of_server() const;

 private:
  std::string folder_;
  int version_ = 0;
};

}  // namespace cooper::testing

#endif  // COOPER_TESTS_SERVER_SECURITY_TEST_CERTIFICATES_H_
