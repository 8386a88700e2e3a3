#ifndef COOPER_CLIENT_REPORT_HTML_H_
#define COOPER_CLIENT_REPORT_HTML_H_

#include <string>

#include "absl/strings/string_view.h"

namespace cooper::client {

// `text` for HTML content and for attributes in double or single quotes. Text
// comes from a model, a server or a file name: it never becomes markup. Control
// characters and bytes that are no UTF-8 become U+FFFD.
std::string EscapeHtml(absl::string_view text);

// A data: URL of an image file; the type is taken from its first bytes (PNG,
// JPEG, WebP, else application/octet-stream, which no browser runs).
std::string ImageUrl(absl::string_view bytes);

// Extension by the first bytes: ".png", ".jpg", ".webp", else ".bin".
std::string ImageExtension(absl::string_view bytes);

// An answer as HTML: escaped, each \boxed{x} marked up. Braces nest.
std::string AnswerHtml(absl::string_view answer);

// "83 ms", "1.4 s", "2 min 5 s".
std::string HumanMilliseconds(double milliseconds);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_REPORT_HTML_H_
