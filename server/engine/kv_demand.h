#ifndef COOPER_SERVER_ENGINE_KV_DEMAND_H_
#define COOPER_SERVER_ENGINE_KV_DEMAND_H_

#include <cstdint>

#include "server/engine/request.h"

namespace cooper::engine {

// Tokens of a request's parts, bos, eos and image delimiters included.
struct PartTokens {
  int64_t system = 0;
  int64_t texts = 0;   // all input texts (and the prompt of a map alone)
  int64_t images = 0;  // all input images on kCond
  int64_t map = 0;     // a drawn map, as it is fed back
  int64_t reflection = 0;
  int64_t perception = 0;   // both prompts and `<answer>`
  int64_t open_answer = 0;  // `<answer>`
};

// The most tokens that the contexts of a request can hold together, where
// forks share what they have in common: the longest kCond, a text being
// decoded on kScratch, the same text without its request on kNoText, and of
// kNoImage what kCond cannot share with it. Pure.
int64_t KvDemand(const Task& task, int max_think_tokens,
                 const PartTokens& parts);

// The same of a turn of a conversation, beyond what its session holds: it also
// keeps its last text, and may be told to answer in the midst of one. `apart`:
// the session's kCond has what its kNoImage has not. `parts.system` is 0 where
// the session has it.
int64_t ConverseKvDemand(const ReasonTask& task, int max_think_tokens,
                         const PartTokens& parts, bool apart);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_KV_DEMAND_H_
