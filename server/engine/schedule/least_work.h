#ifndef COOPER_SERVER_ENGINE_SCHEDULE_LEAST_WORK_H_
#define COOPER_SERVER_ENGINE_SCHEDULE_LEAST_WORK_H_

#include <cstdint>

#include "model/options.h"
#include "server/engine/core/request.h"
#include "server/engine/memory/kv_demand.h"

namespace cooper::engine {

// The least that a request has the device do.
struct LeastWork {
  int64_t prefill_rows = 0;  // of its inputs
  int decodes = 0;           // tokens, one after another
  int denoise_steps = 0;     // one after another
  int64_t denoise_rows = 0;  // of each: latent tokens times branches
  int maps = 0;              // whose latents are decoded
};

// Of a question: one token, since what the model will write is not known; of
// one that always draws, its maps. `latent_tokens`: of a map. Pure.
LeastWork LeastWorkOf(const Task& task, const model::FlowOptions& flow,
                      const PartTokens& parts, int64_t latent_tokens);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_SCHEDULE_LEAST_WORK_H_
