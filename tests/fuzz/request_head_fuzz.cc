// Heads of HTTP requests to the metrics listener, received in pieces.
#include <optional>

#include "base/check.h"
#include "server/metrics/request_head.h"
#include "tests/fuzz/fuzz_target.h"

namespace cooper::fuzz {
namespace {

using metrics::HttpStatus;
using metrics::RequestHead;

void CheckHead(const RequestHead& head) {
  switch (head.status) {
    case HttpStatus::kOk:
      COOPER_CHECK(!head.method.empty());
      COOPER_CHECK(head.path == "*" || head.path.front() == '/');
      for (const char c : head.method + head.path) {
        COOPER_CHECK(c != '\r' && c != '\n' && c != '\0' && c != ' ');
      }
      return;
    case HttpStatus::kBadRequest:
    case HttpStatus::kHeadTooLarge:
    case HttpStatus::kVersionNotSupported:
      return;
    default:
      COOPER_CHECK(false);
  }
}

}  // namespace

void FuzzOne(absl::string_view bytes) {
  const std::optional<RequestHead> whole = metrics::ReadRequestHead(bytes);
  COOPER_CHECK(whole || bytes.size() <= metrics::kMaxHeadBytes);
  if (whole) CheckHead(*whole);
  // As the bytes come in, the first decision is the one that stays, except
  // that what is refused early may be refused for another reason later.
  std::optional<RequestHead> first;
  for (size_t size = 0; size <= bytes.size(); size += size < 512 ? 1 : 97) {
    const std::optional<RequestHead> now =
        metrics::ReadRequestHead(bytes.substr(0, size));
    if (!now) {
      COOPER_CHECK(!first);
      continue;
    }
    CheckHead(*now);
    if (!first) first = now;
    COOPER_CHECK((first->status == HttpStatus::kOk) ==
                 (now->status == HttpStatus::kOk));
    if (now->status == HttpStatus::kOk) {
      COOPER_CHECK(now->method == first->method && now->path == first->path);
    }
  }
  if (first) COOPER_CHECK(whole.has_value());
}

}  // namespace cooper::fuzz
