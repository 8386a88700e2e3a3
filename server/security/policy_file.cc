#include "server/security/policy_file.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "base/logging.h"
#include "base/status_macros.h"

namespace cooper::security {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxBytes = int64_t{4} << 20;

template <typename... Words>
absl::Status Wrong(const Words&... words) {
  return absl::InvalidArgumentError(absl::StrCat(words...));
}

}  // namespace

absl::StatusOr<std::unique_ptr<PolicyFile>> PolicyFile::Open(
    const std::string& path, std::vector<std::string> methods) {
  std::unique_ptr<PolicyFile> file(new PolicyFile(path, std::move(methods)));
  base::MutexLock lock(&file->refresh_mutex_);
  COOPER_RETURN_IF_ERROR(file->ReloadLocked());
  return file;
}

void PolicyFile::Refresh() {
  base::MutexLock lock(&refresh_mutex_);
  const absl::Status reloaded = ReloadLocked();
  // A file that is wrong is told once.
  const bool told = reloaded == told_;
  told_ = reloaded;
  if (reloaded.ok() || told) return;
  base::Log(base::LogLevel::kWarning, "kept the old policy",
            {{"error", base::Printable(reloaded.message(), 500)}});
}

bool PolicyFile::Allows(const std::string& client,
                        const std::string& method) const {
  base::MutexLock lock(&mutex_);
  const auto found = policy_.clients.find(client);
  return (found == policy_.clients.end() ? policy_.others : found->second)
      .contains(method);
}

absl::Status PolicyFile::ReloadLocked() {
  const std::optional<FileStamp> stamp = StampOf(path_);
  if (!stamp.has_value()) {
    return absl::NotFoundError(absl::StrCat(path_, ": cannot be read"));
  }
  // A file that was wrong stays so until it changes.
  if (stamp == stamp_) return told_;
  if (stamp->size > kMaxBytes) {
    return Wrong(path_, ": is larger than ", kMaxBytes, " bytes");
  }
  std::ifstream file(path_);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) {
    return absl::NotFoundError(absl::StrCat(path_, ": cannot be read"));
  }
  stamp_ = stamp;
  auto policy = Parse(text.str());
  if (!policy.ok()) return base::Annotate(policy.status(), path_);
  base::MutexLock lock(&mutex_);
  policy_ = *std::move(policy);
  return absl::OkStatus();
}

absl::StatusOr<PolicyFile::Policy> PolicyFile::Parse(
    const std::string& text) const {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Wrong("is no JSON object");
  Policy policy;
  const auto read = [&](const Json& names, const std::string& where,
                        Methods* methods) -> absl::Status {
    if (!names.is_array()) return Wrong(where, ": must be a list of methods");
    for (const Json& name : names) {
      if (!name.is_string() || !methods_.contains(name.get<std::string>())) {
        return Wrong(where, ": ", name.dump(), " is no method");
      }
      methods->insert(name.get<std::string>());
    }
    return absl::OkStatus();
  };
  for (const auto& [key, value] : json.items()) {
    if (key == "default") {
      COOPER_RETURN_IF_ERROR(read(value, key, &policy.others));
    } else if (key != "clients") {
      return Wrong("\"", key,
                   "\": is not known; there are clients and default");
    } else if (!value.is_object()) {
      return Wrong("clients: must be an object");
    } else {
      for (const auto& [client, names] : value.items()) {
        COOPER_RETURN_IF_ERROR(read(names, absl::StrCat("clients.", client),
                                    &policy.clients[client]));
      }
    }
  }
  return policy;
}

}  // namespace cooper::security
