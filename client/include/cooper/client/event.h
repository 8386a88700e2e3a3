#ifndef COOPER_CLIENT_EVENT_H_
#define COOPER_CLIENT_EVENT_H_

#include "cooper/v1/spatial_reasoning.pb.h"

namespace cooper::client {

// One event of any streaming RPC. The four response types have the same
// fields under the same numbers, and ReasonResponse has all of them, so that it
// stands for each.
using Event = v1::ReasonResponse;

// Moves the event of another response type into an Event.
Event ToEvent(v1::ReasonResponse&& response);
Event ToEvent(v1::EstimateDepthResponse&& response);
Event ToEvent(v1::SegmentResponse&& response);
Event ToEvent(v1::GenerateImageResponse&& response);
// Not set for what only conversations have: `session`, `turn_cancelled`.
Event ToEvent(v1::ConverseResponse&& response);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_EVENT_H_
