#ifndef COOPER_CLIENT_TEXT_H_
#define COOPER_CLIENT_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace cooper::client {

// `text` without what could steer a terminal or break a document: each control
// character except tab and newline, and each byte that is no UTF-8, becomes
// U+FFFD. Server and model are not trusted with the reader's screen.
std::string Printable(absl::string_view text);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_TEXT_H_
