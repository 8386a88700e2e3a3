#ifndef COOPER_CLIENT_CLI_EXIT_CODE_H_
#define COOPER_CLIENT_CLI_EXIT_CODE_H_

#include "absl/status/status.h"

namespace cooper::client {

// What the tool's exit status says. A call that a signal ended gives 128 plus
// the signal's number, as shells do.
enum ExitCode : int {
  kAnswered = 0,
  kUsage = 2,
  kUnreachable = 3,  // or NOT_SERVING
  kRefused = 4,      // before any event
  kFailed = 5,       // midway, or ended without an answer
};

// The code for a call that ended with `status` (not OK); `any_event`: after at
// least one event.
ExitCode ExitCodeOf(const absl::Status& status, bool any_event);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_EXIT_CODE_H_
