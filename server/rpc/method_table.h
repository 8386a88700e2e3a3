#ifndef COOPER_SERVER_RPC_METHOD_TABLE_H_
#define COOPER_SERVER_RPC_METHOD_TABLE_H_

#include <grpcpp/generic/async_generic_service.h>

#include <functional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/check.h"

namespace cooper::rpc {

// A call whose messages are bytes. It lives from its handler to OnDone, where
// it deletes itself.
using Reactor = grpc::ServerGenericBidiReactor;
using CallContext = grpc::GenericCallbackServerContext;

// The methods of a server by their full names. gRPC asks it for the reactor of
// each call once the call's headers are there and before any message is read,
// so that a caller who is refused costs no message.
class MethodTable final : public grpc::CallbackGenericService {
 public:
  // Makes the reactor of a call. Thread-safe; never blocks.
  using Handler = std::function<Reactor*(CallContext* context)>;

  // `unknown` answers the methods that the table does not have.
  explicit MethodTable(Handler unknown) : unknown_(std::move(unknown)) {}

  // `method` as "/package.Service/Method". Before the server starts.
  void Add(const std::string& method, Handler handler) {
    COOPER_CHECK(!methods_.contains(method));
    methods_[method] = std::move(handler);
  }

  Reactor* CreateReactor(CallContext* context) override {
    const auto found = methods_.find(context->method());
    return found == methods_.end() ? unknown_(context) : found->second(context);
  }

 private:
  const Handler unknown_;
  absl::flat_hash_map<std::string, Handler> methods_;
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_METHOD_TABLE_H_
