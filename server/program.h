#ifndef COOPER_SERVER_PROGRAM_H_
#define COOPER_SERVER_PROGRAM_H_

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/lifecycle.h"

namespace cooper {

// main() of a server process: reads the flags of flags.cc and runs the server.
// `choose_model` sets options->load; its errors are those of a flag ("flag:
// what is wrong"). `more_flags`: the file of the program's own flags, for
// --help; may be empty. Returns the exit code.
int RunProgram(int argc, char** argv, absl::string_view more_flags,
               absl::FunctionRef<absl::Status(LifecycleOptions*)> choose_model);

}  // namespace cooper

#endif  // COOPER_SERVER_PROGRAM_H_
