#include "server/security/pem.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

#include "absl/strings/str_cat.h"

namespace cooper::security {
namespace {

struct CloseFile {
  void operator()(FILE* file) const { std::fclose(file); }
};

// All that `read`, one of OpenSSL's PEM_read_bio_*, finds of `kind`.
template <typename T, typename Read>
absl::StatusOr<std::vector<Owned<T>>> Parse(const Read& read,
                                            absl::string_view kind,
                                            absl::string_view flag,
                                            const std::string& path,
                                            const std::string& text) {
  ERR_clear_error();
  const Owned<BIO> bio = OpenPem(text);
  std::vector<Owned<T>> items;
  while (T* item = read(bio.get(), nullptr, NoPassphrase, nullptr)) {
    items.emplace_back(item);
  }
  const auto error = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM &&
                      ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  const std::string reason = LastOpenSslError();
  if (!at_end) {
    return PemError(
        flag, path,
        absl::StrCat(kind, " ", items.size() + 1, " cannot be read: ", reason));
  }
  if (items.empty()) {
    return PemError(flag, path, absl::StrCat("has no PEM ", kind));
  }
  return items;
}

}  // namespace

absl::Status PemError(absl::string_view flag, const std::string& path,
                      absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(flag, ": ", path, ": ", what));
}

absl::StatusOr<std::string> ReadPemFile(absl::string_view flag,
                                        const std::string& path,
                                        size_t max_mib) {
  const auto failed = [&] {
    return absl::ErrnoToStatus(
        errno, absl::StrCat(flag, ": ", path, ": cannot be read"));
  };
  const std::unique_ptr<FILE, CloseFile> file(std::fopen(path.c_str(), "rbe"));
  if (file == nullptr) return failed();
  std::string text;
  char buffer[4096];
  size_t got = 0;
  while ((got = std::fread(buffer, 1, sizeof(buffer), file.get())) > 0) {
    text.append(buffer, got);
    if (text.size() > max_mib << 20) {
      return PemError(flag, path,
                      absl::StrCat("is larger than ", max_mib, " MiB"));
    }
  }
  if (std::ferror(file.get()) != 0) return failed();
  if (text.empty()) return PemError(flag, path, "is empty");
  return text;
}

std::string LastOpenSslError() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason == nullptr ? "unknown error" : reason;
}

Owned<BIO> OpenPem(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.c_str(), -1));
}

int NoPassphrase(char*, int, int, void*) { return -1; }

absl::StatusOr<std::vector<Owned<X509>>> ParseCertificates(
    absl::string_view flag, const std::string& path, const std::string& text) {
  return Parse<X509>(PEM_read_bio_X509_AUX, "certificate", flag, path, text);
}

absl::StatusOr<std::vector<Owned<X509_CRL>>> ParseCrls(
    absl::string_view flag, const std::string& path, const std::string& text) {
  return Parse<X509_CRL>(PEM_read_bio_X509_CRL, "CRL", flag, path, text);
}

absl::Time ToTime(const ASN1_TIME* time) {
  std::tm fields = {};
  if (ASN1_TIME_to_tm(time, &fields) != 1) {
    ERR_clear_error();
    return absl::InfinitePast();
  }
  return absl::FromTM(fields, absl::UTCTimeZone());
}

}  // namespace cooper::security
