#ifndef COOPER_SERVER_RPC_REFLECTION_SERVICE_H_
#define COOPER_SERVER_RPC_REFLECTION_SERVICE_H_

#include <string>
#include <utility>
#include <vector>

#include "server/rpc/caller_check.h"
#include "server/rpc/method_table.h"

namespace cooper::rpc {

// grpc.reflection.v1.ServerReflection and its v1alpha, which have the same
// messages: describes the services of the server to callers who pass the check.
//
// Thread-safe; handlers never block. It must outlive the server's calls.
class ReflectionService final {
 public:
  // `services`: full names of all services of the server but reflection's own.
  // What `check` points to must outlive it.
  ReflectionService(std::vector<std::string> services,
                    const CallerCheck& check);

  // Adds its methods; it must outlive the table.
  void AddTo(MethodTable* methods);

 private:
  class Call;

  const CallerCheck check_;
  std::vector<std::string> services_;  // sorted; constant after construction
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_REFLECTION_SERVICE_H_
