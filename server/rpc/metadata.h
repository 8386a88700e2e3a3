#ifndef COOPER_SERVER_RPC_METADATA_H_
#define COOPER_SERVER_RPC_METADATA_H_

#include <grpcpp/server_context.h>

#include "absl/strings/string_view.h"

namespace cooper::rpc {

// The value of a metadata key that must be there at most once; empty if absent
// or repeated. Lives as long as the context.
absl::string_view SingleValue(const grpc::CallbackServerContext& context,
                              const char* key);

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_METADATA_H_
