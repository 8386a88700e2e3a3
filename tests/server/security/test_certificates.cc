#include "tests/server/security/test_certificates.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "gtest/gtest.h"

namespace cooper::testing {
namespace {

namespace fs = std::filesystem;

struct Free {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_CRL* list) const { X509_CRL_free(list); }
  void operator()(ASN1_TIME* time) const { ASN1_TIME_free(time); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509_EXTENSION* item) const { X509_EXTENSION_free(item); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIO> Reader(const std::string& text) {
  return Owned<BIO>(
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Owned<EVP_PKEY> KeyOf(const TestCertificate& certificate) {
  return Owned<EVP_PKEY>(PEM_read_bio_PrivateKey(Reader(certificate.key).get(),
                                                 nullptr, nullptr, nullptr));
}

// What `write` writes.
template <typename Write>
std::string Text(const Write& write) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  COOPER_CHECK(write(bio.get()) == 1);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

void Extend(X509* certificate, int kind, const char* value) {
  const Owned<X509_EXTENSION> item(
      X509V3_EXT_conf_nid(nullptr, nullptr, kind, value));
  COOPER_CHECK(item != nullptr);
  COOPER_CHECK(X509_add_ext(certificate, item.get(), -1) == 1);
}

Owned<X509> Parse(const TestCertificate& certificate) {
  return Owned<X509>(PEM_read_bio_X509(Reader(certificate.cert).get(), nullptr,
                                       nullptr, nullptr));
}

TestCertificate Make(const std::string& name, const TestCertificate* authority,
                     bool can_sign, absl::Time expiry) {
  static std::atomic<int64_t> serial{1};
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const Owned<X509> certificate(X509_new());
  X509* const x509 = certificate.get();
  X509_set_version(x509, X509_VERSION_3);
  ASN1_INTEGER_set_int64(X509_get_serialNumber(x509), serial++);
  ASN1_TIME_set(X509_getm_notBefore(x509), 0);
  ASN1_TIME_set(X509_getm_notAfter(x509), absl::ToUnixSeconds(expiry));
  X509_set_pubkey(x509, key.get());
  X509_NAME* const subject = X509_get_subject_name(x509);
  X509_NAME_add_entry_by_txt(
      subject, "CN", MBSTRING_UTF8,
      reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  Extend(x509, NID_subject_alt_name, "IP:127.0.0.1");
  if (can_sign) Extend(x509, NID_basic_constraints, "critical,CA:TRUE");
  if (authority == nullptr) {
    X509_set_issuer_name(x509, subject);
    COOPER_CHECK(X509_sign(x509, key.get(), EVP_sha256()) > 0);
  } else {
    X509_set_issuer_name(x509, X509_get_subject_name(Parse(*authority).get()));
    COOPER_CHECK(X509_sign(x509, KeyOf(*authority).get(), EVP_sha256()) > 0);
  }
  return {Text([&](BIO* bio) { return PEM_write_bio_X509(bio, x509); }),
          Text([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0,
                                            nullptr, nullptr);
          })};
}

}  // namespace

TestCertificate MakeCertificate(const std::string& name,
                                const TestCertificate* authority,
                                absl::Time expiry) {
  return Make(name, authority, /*can_sign=*/authority == nullptr, expiry);
}

TestCertificate MakeIntermediate(const std::string& name,
                                 const TestCertificate& authority) {
  return Make(name, &authority, /*can_sign=*/true,
              absl::FromUnixSeconds(4000000000));
}

std::string MakeCrl(const TestCertificate& authority,
                    const std::vector<TestCertificate>& revoked,
                    absl::Time next_update) {
  const Owned<X509_CRL> crl(X509_CRL_new());
  X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(crl.get(),
                           X509_get_subject_name(Parse(authority).get()));
  const Owned<ASN1_TIME> now(ASN1_TIME_set(nullptr, 0));
  const Owned<ASN1_TIME> then(
      ASN1_TIME_set(nullptr, absl::ToUnixSeconds(next_update)));
  X509_CRL_set1_lastUpdate(crl.get(), now.get());
  X509_CRL_set1_nextUpdate(crl.get(), then.get());
  for (const TestCertificate& certificate : revoked) {
    X509_REVOKED* const entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(
        entry, X509_get_serialNumber(Parse(certificate).get()));
    X509_REVOKED_set_revocationDate(entry, now.get());
    COOPER_CHECK(X509_CRL_add0_revoked(crl.get(), entry) == 1);
  }
  X509_CRL_sort(crl.get());
  COOPER_CHECK(X509_CRL_sign(crl.get(), KeyOf(authority).get(), EVP_sha256()) >
               0);
  return Text([&](BIO* bio) { return PEM_write_bio_X509_CRL(bio, crl.get()); });
}

TestCertificate WithPassphrase(const TestCertificate& certificate) {
  const Owned<EVP_PKEY> key = KeyOf(certificate);
  static const unsigned char kPassphrase[] = "secret";
  return {certificate.cert, Text([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), EVP_aes_128_cbc(),
                                            kPassphrase, 6, nullptr, nullptr);
          })};
}

TestCertificate AsTrusted(const TestCertificate& certificate) {
  return {Text([&](BIO* bio) {
            return PEM_write_bio_X509_AUX(bio, Parse(certificate).get());
          }),
          certificate.key};
}

std::string PeerName(int port) {
  const Owned<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
  const Owned<BIO> bio(BIO_new_ssl_connect(context.get()));
  SSL* ssl = nullptr;
  BIO_get_ssl(bio.get(), &ssl);
  static const unsigned char kHttp2[] = {2, 'h', '2'};
  SSL_set_alpn_protos(ssl, kHttp2, sizeof(kHttp2));
  BIO_set_conn_hostname(bio.get(), absl::StrCat("127.0.0.1:", port).c_str());
  if (BIO_do_handshake(bio.get()) != 1) return "";
  const Owned<X509> certificate(SSL_get1_peer_certificate(ssl));
  if (certificate == nullptr) return "";
  char name[64] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()),
                            NID_commonName, name, sizeof(name));
  return name;
}

MountedSecret::MountedSecret(const security::PemTexts& texts,
                             const std::string& crl) {
  std::string folder = ::testing::TempDir() + "/secret-XXXXXX";
  COOPER_CHECK(mkdtemp(folder.data()) != nullptr);
  folder_ = folder;
  Exchange(texts, crl);
  for (const char* name : {"tls.crt", "tls.key", "ca.crt", "ca.crl"}) {
    fs::create_symlink(fs::path("data") / name, fs::path(folder_) / name);
  }
}

MountedSecret::~MountedSecret() { fs::remove_all(folder_); }

void MountedSecret::Exchange(const security::PemTexts& texts,
                             const std::string& crl) {
  const std::string name = absl::StrCat("version-", ++version_);
  const fs::path folder = fs::path(folder_) / name;
  fs::create_directory(folder);
  const auto write = [&](const char* file, const std::string& text) {
    if (!text.empty()) std::ofstream(folder / file) << text;
  };
  write("tls.crt", texts.cert);
  write("tls.key", texts.key);
  write("ca.crt", texts.client_ca);
  write("ca.crl", crl);
  fs::create_symlink(name, fs::path(folder_) / "data-next");
  fs::rename(fs::path(folder_) / "data-next", fs::path(folder_) / "data");
}

security::TlsFiles MountedSecret::files_with_crl() const {
  security::TlsFiles all = files();
  all.crl = folder_ + "/ca.crl";
  return all;
}

security::TlsFiles MountedSecret::files() const {
  return {folder_ + "/tls.crt", folder_ + "/tls.key", folder_ + "/ca.crt"};
}

security::TlsFiles MountedSecret::files_of_server() const {
  return {folder_ + "/tls.crt", folder_ + "/tls.key", ""};
}

}  // namespace cooper::testing
