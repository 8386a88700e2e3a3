#ifndef COOPER_SERVER_ENGINE_MEMORY_KV_DEMAND_H_
#define COOPER_SERVER_ENGINE_MEMORY_KV_DEMAND_H_

#include <cstdint>

#include "server/engine/core/request.h"

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

// Positions of kCond: a token of text takes one, an encoded image one.
struct PositionDemand {
  // The least that a request comes to: its inputs, and what has to follow them.
  int64_t least = 0;
  // Kept free behind each text that is not an answer, for what may follow it.
  int64_t reserved = 0;
};

// `encoded_images`: input images, counted once for each encoding. `maps`:
// whether perceive-then-answer draws its maps. `converses`: a turn of a
// conversation, which may be told to answer; then both are beyond what the
// session has. Pure.
PositionDemand PositionsOf(const Task& task, const PartTokens& parts,
                           int64_t encoded_images, bool maps, bool converses);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_MEMORY_KV_DEMAND_H_
