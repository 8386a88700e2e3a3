// Revocation lists. An input is the text of a file of lists, or, without PEM,
// the DER of one list. It is opened as it is, and the DER is also signed by the
// authority, so that the server takes it: then the server and the list's own
// entries must agree on which certificates are revoked.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "base/check.h"
#include "server/security/crl_file.h"
#include "server/security/pem.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/server/security/test_certificates.h"

namespace cooper::fuzz {
namespace {

using security::CrlFile;
using security::Owned;

constexpr absl::Time kNow = absl::FromUnixSeconds(3000000000);

// The certificates' serial numbers are 1, 2 and 3.
struct Environment {
  testing::TestCertificate authority = testing::MakeCertificate("authority");
  testing::TestCertificate robot =
      testing::MakeCertificate("robot", &authority);
  testing::TestCertificate lost = testing::MakeCertificate("lost", &authority);
  security::TlsFiles files{"cert.pem", "key.pem", "ca.pem",
                           ScratchDirectory() + "/crl.pem"};
};

void CheckNoErrorIsLeft() { COOPER_CHECK(ERR_peek_error() == 0); }

Owned<X509> Parse(const std::string& certificate) {
  return Owned<X509>(PEM_read_bio_X509(security::OpenPem(certificate).get(),
                                       nullptr, nullptr, nullptr));
}

std::string Write(X509_CRL* list) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  COOPER_CHECK(PEM_write_bio_X509_CRL(bio.get(), list) == 1);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

// The list in `der`, signed by the authority; null: there is none, or none that
// OpenSSL can write.
Owned<X509_CRL> Sign(absl::string_view der,
                     const testing::TestCertificate& authority) {
  const auto* data = reinterpret_cast<const unsigned char*>(der.data());
  Owned<X509_CRL> list(
      d2i_X509_CRL(nullptr, &data, static_cast<long>(der.size())));
  const Owned<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(security::OpenPem(authority.key).get(), nullptr,
                              security::NoPassphrase, nullptr));
  const bool is_signed =
      list != nullptr &&
      X509_CRL_set_issuer_name(
          list.get(), X509_get_subject_name(Parse(authority.cert).get())) ==
          1 &&
      X509_CRL_sign(list.get(), key.get(), EVP_sha256()) > 0;
  ERR_clear_error();
  return is_signed ? std::move(list) : nullptr;
}

// Whether an entry of the list, which holds for its issuer's certificates,
// names the serial number.
bool Names(X509_CRL* list, const std::string& certificate) {
  const Owned<X509> parsed = Parse(certificate);
  const STACK_OF(X509_REVOKED)* entries = X509_CRL_get_REVOKED(list);
  for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
    if (ASN1_INTEGER_cmp(
            X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(entries, i)),
            X509_get0_serialNumber(parsed.get())) == 0) {
      return true;
    }
  }
  return false;
}

// Extensions may give an entry another issuer, or take it back.
bool HasExtensions(X509_CRL* list) {
  const STACK_OF(X509_REVOKED)* entries = X509_CRL_get_REVOKED(list);
  for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
    if (X509_REVOKED_get_ext_count(sk_X509_REVOKED_value(entries, i)) > 0) {
      return true;
    }
  }
  return X509_CRL_get_ext_count(list) > 0;
}

void CheckVerdict(const absl::Status& verdict) {
  COOPER_CHECK(verdict.ok() ||
               verdict.code() == absl::StatusCode::kUnauthenticated);
}

// What may be in the file at any time.
absl::StatusOr<std::unique_ptr<CrlFile>> Open(const Environment& environment,
                                              const std::string& text) {
  WriteFile(environment.files.crl, text);
  auto file =
      CrlFile::Open(environment.files, environment.authority.cert, kNow);
  CheckNoErrorIsLeft();
  if (file.ok()) return file;
  COOPER_CHECK(file.status().code() == absl::StatusCode::kInvalidArgument);
  COOPER_CHECK(absl::StartsWith(file.status().message(), "tls_crl: "));
  return file;
}

void CheckSigned(const Environment& environment, X509_CRL* list) {
  const auto file = Open(environment, Write(list));
  COOPER_CHECK(file.ok());
  const bool is_plain = !HasExtensions(list);
  // An authority that revokes itself revokes all that it issued.
  const bool all = Names(list, environment.authority.cert);
  for (const auto* caller : {&environment.robot, &environment.lost}) {
    const absl::Status verdict = (*file)->Check(caller->cert, "");
    CheckNoErrorIsLeft();
    CheckVerdict(verdict);
    COOPER_CHECK((*file)->Check(caller->cert, "") == verdict);
    if (is_plain) {
      COOPER_CHECK(verdict.ok() == (!all && !Names(list, caller->cert)));
    }
    // What else the client presents does not make it valid.
    const absl::Status chained =
        (*file)->Check(caller->cert, environment.robot.cert);
    COOPER_CHECK(verdict.ok() || !chained.ok());
  }
}

// A client may present anything as its chain.
void CheckChain(CrlFile* file, const Environment& environment,
                const std::string& text) {
  const absl::Status alone = file->Check(environment.lost.cert, "");
  COOPER_CHECK(!alone.ok());
  COOPER_CHECK(!file->Check(environment.lost.cert, text).ok());
  CheckVerdict(file->Check(environment.robot.cert, text));
  CheckVerdict(file->Check(text, ""));
  CheckNoErrorIsLeft();
}

}  // namespace

void FuzzOne(absl::string_view bytes) {
  static const auto* const environment = new Environment;
  static CrlFile* const lists =
      Open(*environment,
           testing::MakeCrl(environment->authority, {environment->lost}))
          .value()
          .release();
  const std::string text(bytes);
  CheckChain(lists, *environment, text);
  if (!bytes.empty()) {
    const auto file = Open(*environment, text);
    if (file.ok()) CheckVerdict((*file)->Check(environment->robot.cert, text));
  }
  if (const Owned<X509_CRL> list = Sign(bytes, environment->authority)) {
    CheckSigned(*environment, list.get());
  }
}

}  // namespace cooper::fuzz
