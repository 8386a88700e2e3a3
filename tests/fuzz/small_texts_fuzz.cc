// Small texts of flags, headers and files: listen addresses, traceparent,
// token files, and what makes strings fit for messages.
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/listen_address.h"
#include "base/logging.h"
#include "model/text_codec.h"
#include "server/security/token_file.h"
#include "server/tracing/trace_context.h"
#include "tests/fuzz/fuzz_target.h"

namespace cooper::fuzz {
namespace {

void CheckListenAddress(absl::string_view text) {
  const auto address = base::ListenAddress::Parse(text);
  if (!address.ok()) {
    COOPER_CHECK(address.status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  for (const char c : address->host) {
    COOPER_CHECK(absl::ascii_isgraph(static_cast<unsigned char>(c)));
  }
  COOPER_CHECK(address->port >= 0 && address->port <= 65535);
  const auto again = base::ListenAddress::Parse(address->ToString());
  COOPER_CHECK(again.ok());
  COOPER_CHECK(again->host == address->host && again->port == address->port);
}

void CheckTraceParent(absl::string_view text) {
  const auto caller = tracing::ParseTraceparent(text);
  if (!caller.has_value()) return;
  COOPER_CHECK(caller->trace_id.size() == 32 &&
               text.substr(3, 32) == caller->trace_id);
  COOPER_CHECK(caller->parent_id.size() == 16 &&
               text.substr(36, 16) == caller->parent_id);
}

// Valid UTF-8 without control characters (U+0080..U+009F begin with C2).
void CheckPrintable(absl::string_view text) {
  for (const size_t limit : {size_t{10}, size_t{100}, text.size()}) {
    const std::string shown = base::Printable(text, limit);
    COOPER_CHECK(shown.size() <= limit + 3);
    model::Utf8Stream stream;
    COOPER_CHECK(stream.Push(shown) == shown && stream.Finish().empty());
    for (size_t i = 0; i < shown.size(); ++i) {
      const auto byte = static_cast<unsigned char>(shown[i]);
      COOPER_CHECK(!absl::ascii_iscntrl(byte));
      COOPER_CHECK(byte != 0xC2 ||
                   static_cast<unsigned char>(shown[i + 1]) >= 0xA0);
    }
  }
}

// The tokens of a file are its lines without the space around them, a scheme
// before them and a byte order mark at the file's start, and they are all that
// is allowed.
void CheckTokenFile(absl::string_view text) {
  const std::string path = ScratchDirectory() + "/tokens";
  WriteFile(path, text);
  const auto file = security::TokenFile::Open(path);
  bool any = false;
  absl::string_view lines = text;
  absl::ConsumePrefix(&lines, "\xEF\xBB\xBF");
  for (const absl::string_view line : absl::StrSplit(lines, '\n')) {
    absl::string_view token = absl::StripAsciiWhitespace(line);
    if (absl::StartsWithIgnoreCase(token, "bearer ")) {
      token = absl::StripAsciiWhitespace(token.substr(7));
    }
    if (token.empty()) continue;
    any = true;
    COOPER_CHECK(file.ok());
    COOPER_CHECK((*file)->Allows("Bearer " + std::string(token)));
  }
  COOPER_CHECK(file.ok() == any);
  if (any) {
    COOPER_CHECK(!(*file)->Allows("Bearer "));
    COOPER_CHECK(!(*file)->Allows(text.substr(0, 7)));
    COOPER_CHECK(!(*file)->Allows("Bearer " + std::string(text) + "\nx"));
  }
}

}  // namespace

void FuzzOne(absl::string_view bytes) {
  CheckListenAddress(bytes);
  CheckTraceParent(bytes);
  CheckPrintable(bytes);
  CheckTokenFile(bytes);
}

}  // namespace cooper::fuzz
