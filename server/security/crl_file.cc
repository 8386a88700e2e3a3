#include "server/security/crl_file.h"

#include <openssl/err.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "server/security/pem.h"

namespace cooper::security {
namespace {

constexpr size_t kMaxMib = 16;         // some 300 thousand entries
constexpr size_t kMaxVerdicts = 4096;  // some 250 KiB

bool IsNamedAsIssuerOf(const X509* authority, const X509* certificate) {
  return X509_NAME_cmp(X509_get_subject_name(authority),
                       X509_get_issuer_name(certificate)) == 0;
}

}  // namespace

// Immutable.
class CrlFile::Lists {
 public:
  static absl::StatusOr<std::shared_ptr<const Lists>> Parse(
      const std::string& crl, const std::string& client_ca,
      const TlsFiles& files) {
    auto lists = std::make_shared<Lists>();
    COOPER_ASSIGN_OR_RETURN(
        lists->authorities_,
        ParseCertificates("tls_client_ca", files.client_ca, client_ca));
    COOPER_ASSIGN_OR_RETURN(lists->crls_, ParseCrls("tls_crl", files.crl, crl));
    for (size_t i = 0; i < lists->crls_.size(); ++i) {
      if (lists->IsSigned(lists->crls_[i].get())) continue;
      return PemError("tls_crl", files.crl,
                      absl::StrCat("CRL ", i + 1,
                                   " is not signed by a certificate in "
                                   "tls_client_ca: ",
                                   files.client_ca));
    }
    lists->FindRevokedAuthorities();
    return lists;
  }

  // As CrlFile::Check.
  absl::Status Check(absl::string_view certificate,
                     absl::string_view chain) const {
    const auto presented =
        ParseCertificates("", "", absl::StrCat(certificate, chain));
    if (!presented.ok()) {
      return absl::UnauthenticatedError(
          "the caller's certificate cannot be read");
    }
    for (const auto& item : *presented) {
      if (IsRevoked(item.get())) {
        return absl::UnauthenticatedError(
            "the caller's certificate is revoked");
      }
    }
    if (presented->size() == 1 && !IsKnown(presented->front().get())) {
      return absl::UnauthenticatedError(
          "the caller's certificate chain is not known");
    }
    return absl::OkStatus();
  }

  // Of those that have one.
  std::vector<absl::Time> next_updates() const {
    std::vector<absl::Time> times;
    for (const auto& crl : crls_) {
      const ASN1_TIME* const time = X509_CRL_get0_nextUpdate(crl.get());
      if (time != nullptr) times.push_back(ToTime(time));
    }
    return times;
  }

 private:
  bool IsSigned(X509_CRL* crl) const {
    const bool is_signed = std::any_of(
        authorities_.begin(), authorities_.end(), [crl](const auto& authority) {
          return X509_NAME_cmp(X509_get_subject_name(authority.get()),
                               X509_CRL_get_issuer(crl)) == 0 &&
                 X509_CRL_verify(crl, X509_get0_pubkey(authority.get())) == 1;
        });
    ERR_clear_error();
    return is_signed;
  }

  bool IsRevoked(X509* certificate) const {
    const auto listed = [certificate](const auto& crl) {
      X509_REVOKED* entry = nullptr;
      // 2 is an entry that takes back an earlier one.
      return X509_CRL_get0_by_cert(crl.get(), &entry, certificate) == 1;
    };
    return std::any_of(crls_.begin(), crls_.end(), listed) ||
           std::any_of(revoked_.begin(), revoked_.end(),
                       [certificate](const X509* authority) {
                         return IsNamedAsIssuerOf(authority, certificate);
                       });
  }

  // Whether what leads from it to the end of its chain is in client_ca.
  bool IsKnown(const X509* certificate) const {
    return std::any_of(authorities_.begin(), authorities_.end(),
                       [certificate](const auto& authority) {
                         return IsNamedAsIssuerOf(authority.get(),
                                                  certificate) ||
                                X509_cmp(authority.get(), certificate) == 0;
                       });
  }

  void FindRevokedAuthorities() {
    size_t before = 0;
    do {
      before = revoked_.size();
      for (const auto& authority : authorities_) {
        const bool found =
            std::count(revoked_.begin(), revoked_.end(), authority.get()) > 0;
        if (!found && IsRevoked(authority.get())) {
          revoked_.push_back(authority.get());
        }
      }
    } while (revoked_.size() > before);  // it may have issued others
  }

  std::vector<Owned<X509>> authorities_;
  std::vector<const X509*> revoked_;  // of authorities_
  std::vector<Owned<X509_CRL>> crls_;
};

absl::StatusOr<std::unique_ptr<CrlFile>> CrlFile::Open(
    const TlsFiles& files, const std::string& client_ca, absl::Time now) {
  std::unique_ptr<CrlFile> file(new CrlFile(files));
  base::MutexLock lock(&file->refresh_mutex_);
  COOPER_RETURN_IF_ERROR(file->UseLocked(file->Read(client_ca)));
  file->WarnOfLateListsLocked(now);
  return file;
}

CrlFile::~CrlFile() = default;

void CrlFile::Refresh(const std::string& client_ca, absl::Time now) {
  base::MutexLock lock(&refresh_mutex_);
  Source source = Read(client_ca);
  if (source == used_) {
    refused_.reset();
  } else if (source != refused_) {
    const absl::Status used = UseLocked(source);
    if (used.ok()) {
      refused_.reset();
      base::Log(base::LogLevel::kInfo, "revocation lists renewed",
                {{"file", files_.crl}});
    } else {
      refused_ = std::move(source);
      base::Log(base::LogLevel::kWarning, "kept the old revocation lists",
                {{"error", used.message()}});
    }
  }
  WarnOfLateListsLocked(now);
}

absl::Status CrlFile::Check(absl::string_view certificate,
                            absl::string_view chain) {
  const base::Digest digest = base::Hasher()
                                  .AddInteger(certificate.size())
                                  .Add(certificate)
                                  .Add(chain)
                                  .Finish();
  std::shared_ptr<const Lists> lists;
  {
    base::MutexLock lock(&mutex_);
    const auto found = verdicts_.find(digest);
    if (found != verdicts_.end()) return found->second;
    lists = lists_;
  }
  absl::Status verdict = lists->Check(certificate, chain);
  base::MutexLock lock(&mutex_);
  if (lists != lists_) return verdict;
  if (verdicts_.size() >= kMaxVerdicts) verdicts_.clear();
  verdicts_.emplace(digest, verdict);
  return verdict;
}

CrlFile::Source CrlFile::Read(const std::string& client_ca) const {
  return {client_ca, ReadPemFile("tls_crl", files_.crl, kMaxMib)};
}

absl::Status CrlFile::UseLocked(Source source) {
  COOPER_RETURN_IF_ERROR(source.crl.status());
  COOPER_ASSIGN_OR_RETURN(std::shared_ptr<const Lists> lists,
                          Lists::Parse(*source.crl, source.client_ca, files_));
  next_updates_ = lists->next_updates();
  used_ = std::move(source);
  base::MutexLock lock(&mutex_);
  lists_ = std::move(lists);
  verdicts_.clear();
  return absl::OkStatus();
}

void CrlFile::WarnOfLateListsLocked(absl::Time now) {
  const size_t late = std::erase_if(
      next_updates_, [now](absl::Time time) { return time <= now; });
  if (late == 0) return;
  base::Log(base::LogLevel::kWarning,
            "revocation lists are out of date, and stay in force",
            {{"file", files_.crl}, {"lists", static_cast<int64_t>(late)}});
}

}  // namespace cooper::security
