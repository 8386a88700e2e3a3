#include "server/engine/memory/kv_demand.h"

#include <variant>

namespace cooper::engine {
namespace {

// `apart`: whether kNoImage is not kCond; without an image it is until the end.
int64_t ReasonDemand(const ReasonTask& task, int64_t text,
                     const PartTokens& parts, bool apart) {
  const int64_t start = parts.system + parts.images + parts.texts;
  switch (task.mode) {
    case Mode::kTextOnly:
      return start + text;
    case Mode::kPerceiveThenAnswer: {
      const int64_t maps = 2 * parts.map + parts.perception;
      return start + maps + text + (apart ? parts.texts + maps : 0);
    }
    case Mode::kInterleaved:
      break;
  }
  const int64_t turns = task.max_turns - 1;
  const int64_t rounds = turns * (text + parts.map + parts.reflection);
  return start + rounds + text + (turns > 0 ? text : 0) +
         (apart ? parts.texts + rounds : 0);
}

constexpr int64_t kLeastText = 3;  // bos, a token and eos

}  // namespace

int64_t KvDemand(const Task& task, int max_think_tokens,
                 const PartTokens& parts) {
  const int64_t text = int64_t{max_think_tokens} + 1;  // and eos
  if (const auto* reason = std::get_if<ReasonTask>(&task)) {
    return ReasonDemand(*reason, text, parts, parts.images > 0);
  }
  const auto* generate = std::get_if<GenerateTask>(&task);
  const bool think = generate != nullptr && generate->think;
  return parts.system + parts.images + parts.texts +
         (parts.images > 0 ? parts.texts : 0) + (think ? text : 0);
}

int64_t ConverseKvDemand(const ReasonTask& task, int max_think_tokens,
                         const PartTokens& parts, bool apart) {
  const int64_t text = int64_t{max_think_tokens} + 1;
  const bool both = task.mode != Mode::kTextOnly && (apart || parts.images > 0);
  const int64_t forced_answer = parts.open_answer + text;
  return ReasonDemand(task, text, parts, both) + forced_answer +
         (both ? text + forced_answer : 0);
}

PositionDemand PositionsOf(const Task& task, const PartTokens& parts,
                           int64_t encoded_images, bool maps, bool converses) {
  constexpr int64_t kMap = 1;
  PositionDemand demand;
  demand.least = parts.system + parts.texts + encoded_images;
  if (const auto* reason = std::get_if<ReasonTask>(&task)) {
    demand.least += kLeastText;
    if (reason->mode == Mode::kPerceiveThenAnswer) {
      demand.least += maps ? parts.perception + 2 * kMap : parts.open_answer;
    }
    if (reason->mode == Mode::kInterleaved && reason->max_turns > 1) {
      demand.reserved = kMap + parts.reflection;
    }
  } else {
    const auto* generate = std::get_if<GenerateTask>(&task);
    const bool think = generate != nullptr && generate->think;
    demand.least += think ? kLeastText : 0;
    demand.reserved = kMap;
  }
  if (converses) demand.reserved += parts.open_answer + kLeastText;
  demand.least += demand.reserved;
  return demand;
}

}  // namespace cooper::engine
