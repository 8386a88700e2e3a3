#ifndef COOPER_SERVER_RPC_LIMITS_H_
#define COOPER_SERVER_RPC_LIMITS_H_

#include <cstdint>

#include "absl/status/status.h"

namespace cooper::rpc {

// What one request may hold; what passes is refused with INVALID_ARGUMENT
// before it is queued. GetModel tells them. The limits of images are the
// engine's (EngineOptions::image_limits).
struct RpcLimits {
  // Bytes of one request message; more is refused by gRPC itself with
  // RESOURCE_EXHAUSTED. 64 KiB..1 GiB.
  int64_t max_message_bytes = int64_t{32} << 20;
  // Images and texts of a request. 1..1024.
  int max_inputs = 64;
  // Images among the inputs. 1..max_inputs. Each costs two passes of the model.
  int max_images = 8;
  // Bytes of all texts of a request. At least 1.
  int64_t max_text_bytes = int64_t{256} << 10;
  // Highest max_think_tokens. 2..1000000.
  int max_think_tokens = 8192;

  absl::Status Validate() const;
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_LIMITS_H_
