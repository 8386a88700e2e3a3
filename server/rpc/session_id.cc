#include "server/rpc/session_id.h"

#include "base/random_id.h"

namespace cooper::rpc {

std::string DrawSessionId() { return base::DrawHexId(/*bytes=*/16); }

}  // namespace cooper::rpc
