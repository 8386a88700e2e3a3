#ifndef COOPER_CLIENT_EVENT_CHECKER_H_
#define COOPER_CLIENT_EVENT_CHECKER_H_

#include <optional>

#include "absl/status/status.h"
#include "cooper/client/event.h"
#include "cooper/client/map_joiner.h"
#include "cooper/client/options.h"

namespace cooper::client {

// Checks that the events of one call keep the server's contract, and joins the
// parts of its maps. Not thread-safe.
class EventChecker {
 public:
  // A call gives one answer, or one for each turn of a conversation.
  enum class Call { kOneAnswer, kConversation };

  EventChecker(Call call, const CallOptions& options);

  // Takes the next event from the server. True if the caller gets it; a joined
  // map then stands in *event. False if there is nothing for the caller yet, or
  // if the event broke the contract: see `broken`.
  bool Accept(Event* event);

  // OK, or how the server broke its contract: DATA_LOSS; RESOURCE_EXHAUSTED
  // where a map is larger than `max_map_bytes`.
  const absl::Status& broken() const { return broken_; }

  // What a call that the server ended with OK comes to: DATA_LOSS if an answer
  // or a map is not whole.
  absl::Status AtEnd() const;

 private:
  bool Join(v1::MapResult* map);

  const Call call_;
  const CallOptions options_;
  std::optional<MapJoiner> joiner_;  // of the answer
  bool in_answer_;
  absl::Status broken_;
};

}  // namespace cooper::client

#endif  // COOPER_CLIENT_EVENT_CHECKER_H_
