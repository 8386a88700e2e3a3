#ifndef COOPER_CLIENT_CLI_CAPABILITY_H_
#define COOPER_CLIENT_CLI_CAPABILITY_H_

#include "client/cli/console.h"
#include "cooper/client/client.h"

namespace cooper::client {

enum class Capability { kConverse, kGenerateImages };

// Prints a notice where the server says that its checkpoint was not trained for
// `capability`. Asks the server; says nothing where it does not tell.
void WarnUnlessTrained(Capability capability, Client& client,
                       const CallOptions& options, Console* console);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_CAPABILITY_H_
