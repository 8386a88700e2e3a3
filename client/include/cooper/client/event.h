#ifndef COOPER_CLIENT_EVENT_H_
#define COOPER_CLIENT_EVENT_H_

#include "cooper/v1/spatial_reasoning.pb.h"

namespace cooper::client {

// One event of any streaming RPC.
using Event = v1::Event;

}  // namespace cooper::client

#endif  // COOPER_CLIENT_EVENT_H_
