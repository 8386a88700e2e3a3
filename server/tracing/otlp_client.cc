#include "server/tracing/otlp_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/check.h"
#include "base/logging.h"

namespace cooper::tracing {
namespace {

size_t Discard(char*, size_t size, size_t count, void*) { return size * count; }

bool MayRetry(long status) {  // NOLINT(google-runtime-int): curl's type
  return status == 429 || status == 502 || status == 503 || status == 504;
}

// A URL in its parts; invalid where it is no URL.
class Url {
 public:
  explicit Url(const std::string& url) : parts_(curl_url(), &curl_url_cleanup) {
    valid_ =
        curl_url_set(parts_.get(), CURLUPART_URL, url.c_str(), 0) == CURLUE_OK;
  }
  bool valid() const { return valid_; }
  std::string Get(CURLUPart part) const {
    char* text = nullptr;
    if (curl_url_get(parts_.get(), part, &text, 0) != CURLUE_OK) return "";
    const std::string copy = text;
    curl_free(text);
    return copy;
  }
  void SetPath(const std::string& path) {
    COOPER_CHECK(curl_url_set(parts_.get(), CURLUPART_PATH, path.c_str(), 0) ==
                 CURLUE_OK);
  }

 private:
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parts_;
  bool valid_ = false;
};

std::string DecodePercent(absl::string_view text) {
  int length = 0;
  const std::unique_ptr<char, decltype(&curl_free)> decoded(
      curl_easy_unescape(nullptr, text.data(), static_cast<int>(text.size()),
                         &length),
      &curl_free);
  COOPER_CHECK(decoded != nullptr);
  return {decoded.get(), static_cast<size_t>(length)};
}

}  // namespace

// The library's handle with what it needs to live as long.
class OtlpClient::Curl {
 public:
  Curl(const std::string& url,
       const std::vector<std::pair<std::string, std::string>>& headers) {
    static const CURLcode kReady = curl_global_init(CURL_GLOBAL_DEFAULT);
    COOPER_CHECK(kReady == CURLE_OK);
    handle_ = curl_easy_init();
    COOPER_CHECK(handle_ != nullptr);
    Add("Content-Type: application/json");
    // No question before the body.
    Add("Expect:");
    for (const auto& [name, value] : headers) {
      Add(absl::StrCat(name, ": ", value));
    }
    Set(CURLOPT_URL, url.c_str());
    Set(CURLOPT_PROTOCOLS_STR, "http,https");
    Set(CURLOPT_HTTPHEADER, headers_);
    Set(CURLOPT_POST, 1L);
    Set(CURLOPT_NOSIGNAL, 1L);
    Set(CURLOPT_WRITEFUNCTION, &Discard);
    Set(CURLOPT_ERRORBUFFER, error_);
  }
  ~Curl() {
    curl_easy_cleanup(handle_);
    curl_slist_free_all(headers_);
  }
  Curl(const Curl&) = delete;
  Curl& operator=(const Curl&) = delete;

  template <typename Value>
  void Set(CURLoption option, Value value) {
    COOPER_CHECK(curl_easy_setopt(handle_, option, value) == CURLE_OK);
  }
  CURLcode Perform() {
    error_[0] = '\0';
    return curl_easy_perform(handle_);
  }
  long status() const {  // NOLINT(google-runtime-int): curl's type
    long status = 0;     // NOLINT(google-runtime-int): curl's type
    curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    return status;
  }
  const char* error() const { return error_; }

 private:
  void Add(const std::string& header) {
    headers_ = curl_slist_append(headers_, header.c_str());
    COOPER_CHECK(headers_ != nullptr);
  }

  CURL* handle_ = nullptr;
  curl_slist* headers_ = nullptr;
  char error_[CURL_ERROR_SIZE] = {};
};

absl::Status OtlpClient::CheckUrl(absl::string_view url) {
  const bool known = absl::StartsWithIgnoreCase(url, "http://") ||
                     absl::StartsWithIgnoreCase(url, "https://");
  if (known && Url(std::string(url)).valid()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("must be a URL like http://HOST:4318/v1/traces, not \"",
                   base::Printable(url), "\""));
}

bool OtlpClient::HasPath(const std::string& url) {
  const Url parts(url);
  return !parts.valid() || parts.Get(CURLUPART_PATH).size() > 1;
}

std::string OtlpClient::AddTracesPath(const std::string& url) {
  Url parts(url);
  if (!parts.valid()) return url;
  std::string path = parts.Get(CURLUPART_PATH);
  if (!absl::EndsWith(path, "/")) path += "/";
  parts.SetPath(path + "v1/traces");
  return parts.Get(CURLUPART_URL);
}

OtlpClient::OtlpClient(
    std::string url,
    const std::vector<std::pair<std::string, std::string>>& headers)
    : url_(std::move(url)), curl_(std::make_unique<Curl>(url_, headers)) {}

OtlpClient::~OtlpClient() = default;

absl::Status OtlpClient::Post(const std::string& body, absl::Duration timeout) {
  curl_->Set(CURLOPT_POSTFIELDS, body.c_str());
  curl_->Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_->Set(CURLOPT_TIMEOUT_MS,
             static_cast<long>(  // NOLINT(google-runtime-int): curl's type
                 std::max<int64_t>(1, absl::ToInt64Milliseconds(timeout))));
  const CURLcode code = curl_->Perform();
  if (code != CURLE_OK) {
    const char* const words = curl_->error();
    return absl::UnavailableError(absl::StrCat(
        url_, ": ", *words != '\0' ? words : curl_easy_strerror(code)));
  }
  const auto status = curl_->status();
  if (status / 100 == 2) return absl::OkStatus();
  const std::string message = absl::StrCat(url_, ": HTTP status ", status);
  return MayRetry(status) ? absl::UnavailableError(message)
                          : absl::InvalidArgumentError(message);
}

std::vector<std::pair<std::string, std::string>> ParsePairs(
    absl::string_view list) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const absl::string_view entry :
       absl::StrSplit(list, ',', absl::SkipWhitespace())) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(entry, absl::MaxSplits('=', 1));
    const absl::string_view key = absl::StripAsciiWhitespace(parts.first);
    if (key.empty() || entry.find('=') == absl::string_view::npos) continue;
    const absl::string_view value = absl::StripAsciiWhitespace(parts.second);
    // The library takes no length for "measure it yourself".
    pairs.emplace_back(key, value.empty() ? "" : DecodePercent(value));
  }
  return pairs;
}

}  // namespace cooper::tracing
