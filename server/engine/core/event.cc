#include "server/engine/core/event.h"

namespace cooper::engine {

const char* FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kAnswered:
      return "answered";
    case FinishReason::kMaxTurns:
      return "max_turns";
    case FinishReason::kMaxTokens:
      return "max_tokens";
    case FinishReason::kNoRequest:
      break;
  }
  return "no_request";
}

}  // namespace cooper::engine
