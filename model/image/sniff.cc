#include "model/image/sniff.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "model/image/rejection.h"
#include "model/text_codec.h"

namespace cooper::image {
namespace {

// Enough to tell formats apart; the rest of the bytes is not looked at.
constexpr size_t kHeadBytes = 1024;
constexpr size_t kRiffHeaderBytes = 12;

// Literals with NUL bytes need their length.
template <size_t kSize>
constexpr absl::string_view Bytes(const char (&text)[kSize]) {
  return absl::string_view(text, kSize - 1);
}

// Image formats that clients send by mistake.
struct Signature {
  size_t offset;  // bytes
  absl::string_view magic;
  const char* what;
};
constexpr Signature kOtherFormats[] = {
    {0, "GIF8", "a GIF image"},          {0, Bytes("II*\0"), "a TIFF image"},
    {0, Bytes("MM\0*"), "a TIFF image"}, {4, "ftypavif", "an AVIF image"},
    {4, "ftyphei", "a HEIC image"},      {4, "ftyphev", "a HEIC image"},
    {4, "ftypmif1", "a HEIC image"},
};

bool HasAt(absl::string_view bytes, size_t offset, absl::string_view magic) {
  return bytes.size() >= offset &&
         absl::StartsWith(bytes.substr(offset), magic);
}

// BMP's magic is two letters, so ask for a plausible header size too.
bool IsBmp(absl::string_view bytes) {
  return absl::StartsWith(bytes, "BM") && bytes.size() >= 18 &&
         HasAt(bytes, 15, Bytes("\0\0\0"));
}

// Text in UTF-8 without control characters but white space.
bool IsText(absl::string_view head) {
  // A stream holds back a sequence that the end of `head` cuts.
  model::Utf8Stream utf8;
  if (!absl::StartsWith(head, utf8.Push(head))) return false;
  return std::none_of(head.begin(), head.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x7f || (byte < 0x20 && !absl::ascii_isspace(byte));
  });
}

// scheme ":" "//", or a data URL.
bool IsUrl(absl::string_view text) {
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos || colon == 0 || colon > 20)
    return false;
  const absl::string_view scheme = text.substr(0, colon);
  if (!absl::ascii_isalpha(static_cast<unsigned char>(scheme[0])) ||
      !std::all_of(scheme.begin(), scheme.end(), [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '+' ||
               c == '-' || c == '.';
      })) {
    return false;
  }
  return absl::StartsWith(text.substr(colon), "://") ||
         absl::EqualsIgnoreCase(scheme, "data");
}

bool IsBase64Image(absl::string_view text) {
  return absl::StartsWith(text, "iVBORw0KGgo") ||  // PNG
         absl::StartsWith(text, "/9j/") ||         // JPEG
         absl::StartsWith(text, "UklGR");          // WebP
}

bool HasImageSuffix(absl::string_view text) {
  for (absl::string_view suffix : {".png", ".jpg", ".jpeg", ".webp", ".gif"}) {
    if (absl::EndsWithIgnoreCase(text, suffix)) return true;
  }
  return false;
}

// One line that starts as a path does, or ends as the name of an image does.
bool IsPath(absl::string_view text) {
  if (text.find('\n') != absl::string_view::npos || text.size() > 512) {
    return false;
  }
  const bool drive =
      text.size() > 2 && text[1] == ':' && (text[2] == '\\' || text[2] == '/');
  return drive || absl::StartsWith(text, "/") || absl::StartsWith(text, "./") ||
         absl::StartsWith(text, "../") || absl::StartsWith(text, "~/") ||
         absl::StartsWith(text, "\\\\") || HasImageSuffix(text);
}

std::string DescribeText(absl::string_view text) {
  if (text.empty()) return "white space";
  if (IsBase64Image(text)) {
    return "a base64 text of an image; send the decoded image as inline bytes";
  }
  if (IsUrl(text)) {
    return "a URL, and nothing is fetched; send the image itself as inline "
           "bytes";
  }
  if (IsPath(text)) {
    return "a file path, and no file is opened; send the image itself as "
           "inline bytes";
  }
  const std::string lower = absl::AsciiStrToLower(text);
  if (absl::StrContains(lower, "<!doctype html") ||
      absl::StrContains(lower, "<html")) {
    return "an HTML page";
  }
  return "text";
}

std::string Describe(absl::string_view bytes) {
  for (const Signature& signature : kOtherFormats) {
    if (HasAt(bytes, signature.offset, signature.magic)) return signature.what;
  }
  if (IsBmp(bytes)) return "a BMP image";
  absl::string_view head = bytes.substr(0, kHeadBytes);
  if (IsText(head)) {
    absl::ConsumePrefix(&head, "\xef\xbb\xbf");  // UTF-8 byte order mark
    return DescribeText(absl::StripAsciiWhitespace(head));
  }
  return absl::StrCat("unknown binary data (", bytes.size(), " bytes)");
}

}  // namespace

const char* FormatName(Format format) {
  switch (format) {
    case Format::kPng:
      return "PNG";
    case Format::kJpeg:
      return "JPEG";
    case Format::kWebp:
      return "WebP";
  }
  return "unknown";
}

absl::StatusOr<Format> SniffFormat(absl::string_view bytes) {
  // A file that is cut within its signature is left to its decoder, which says
  // that it is truncated.
  constexpr absl::string_view kPngSignature = Bytes("\x89PNG\r\n\x1a\n");
  if (HasAt(bytes, 0, kPngSignature) ||
      (HasAt(bytes, 0, "\x89PNG") && absl::StartsWith(kPngSignature, bytes))) {
    return Format::kPng;
  }
  if (HasAt(bytes, 0, Bytes("\xff\xd8\xff"))) return Format::kJpeg;
  if (HasAt(bytes, 0, "RIFF") &&
      (HasAt(bytes, 8, "WEBP") || bytes.size() < kRiffHeaderBytes)) {
    return Format::kWebp;
  }
  if (bytes.empty()) {
    return Reject(Rejection::kFormat,
                  "unsupported image format: an image is required, but it is "
                  "empty (0 bytes); expected the inline bytes of a PNG, JPEG "
                  "or WebP file");
  }
  return Reject(Rejection::kFormat,
                absl::StrCat("unsupported image format (PNG, JPEG and WebP "
                             "are supported): the bytes look like ",
                             Describe(bytes)));
}

}  // namespace cooper::image
