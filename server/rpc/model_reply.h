#ifndef COOPER_SERVER_RPC_MODEL_REPLY_H_
#define COOPER_SERVER_RPC_MODEL_REPLY_H_

#include <string>

#include "cooper/v1/spatial_reasoning.pb.h"
#include "model/unified_model.h"
#include "server/engine/engine_options.h"
#include "server/rpc/limits.h"

namespace cooper::rpc {

// What GetModel answers. `options` are the engine's.
v1::GetModelResponse MakeModelReply(const model::ModelInfo& info,
                                    const RpcLimits& limits,
                                    const engine::EngineOptions& options,
                                    const std::string& server_version);

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_MODEL_REPLY_H_
