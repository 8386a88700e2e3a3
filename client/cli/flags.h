#ifndef COOPER_CLIENT_CLI_FLAGS_H_
#define COOPER_CLIENT_CLI_FLAGS_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cooper/client/options.h"

ABSL_DECLARE_FLAG(std::optional<std::string>, out);
ABSL_DECLARE_FLAG(std::string, server);
ABSL_DECLARE_FLAG(bool, json);
ABSL_DECLARE_FLAG(std::string, service);
ABSL_DECLARE_FLAG(absl::Duration, wait);

namespace cooper::client {

// Names of flags that come together in a command.
using FlagNames = std::vector<const char*>;
const FlagNames& ConnectionFlags();
// The options of a request: the fields of its message, and of the messages in
// it, but for its inputs. Each is a flag of the field's name.
FlagNames OptionFlags(const google::protobuf::Descriptor& request);
template <typename Request>
FlagNames OptionFlags() {
  return OptionFlags(*Request::descriptor());
}

// What the connection flags say. INVALID_ARGUMENT names the flag.
absl::Status ReadConnection(ClientOptions* client, CallOptions* call);

// Sets the options whose flags were given and leaves the others unset, so that
// the server's defaults hold. INVALID_ARGUMENT names the flag and, for one of a
// list, the list.
absl::Status ReadOptions(google::protobuf::Message* request);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_FLAGS_H_
