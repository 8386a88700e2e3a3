#ifndef COOPER_TESTS_CLIENT_EVENTS_H_
#define COOPER_TESTS_CLIENT_EVENTS_H_

#include <string>
#include <vector>

#include "cooper/client/event.h"

// Events as a server would send them, in one line each.
namespace cooper::client {

Event StartedEvent(uint64_t seed = 42);
Event TextEvent(int turn, v1::TextChannel channel, const std::string& text);
Event MapStartedEvent(int map_id, v1::MapKind kind, int num_steps = 2);
Event ProgressEvent(int map_id, int step, int num_steps = 2,
                    const std::string& preview = "");
// A part of a map of 4x2 px; `total` -1: the part is the whole.
Event MapEvent(int map_id, v1::MapKind kind, v1::MapRole role,
               v1::MapEncoding encoding, const std::string& data,
               int64_t offset = 0, int64_t total = -1);
Event FinishedEvent(const std::string& answer, const std::string& boxed = "",
                    v1::FinishReason reason = v1::FINISH_REASON_ANSWERED);

// Bytes that begin as a PNG does; to the client, images are bytes.
extern const char kTinyPng[];

// A question answered with a depth map and a segmentation.
std::vector<Event> WholeStory();

}  // namespace cooper::client

#endif  // COOPER_TESTS_CLIENT_EVENTS_H_
