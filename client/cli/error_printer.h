#ifndef COOPER_CLIENT_CLI_ERROR_PRINTER_H_
#define COOPER_CLIENT_CLI_ERROR_PRINTER_H_

#include "absl/status/status.h"
#include "client/cli/console.h"

namespace cooper::client {

// Tells what went wrong: the message, the fields that were refused, code and
// reason, and when to try again where that can help.
void PrintError(const absl::Status& status, Console* console);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_ERROR_PRINTER_H_
