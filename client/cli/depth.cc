// cooper depth IMAGE
#include "client/cli/map_command.h"

namespace cooper::client {

Command DepthCommand() {
  return {"depth", "IMAGE", "generate the depth map of an image",
          Flags({{"out", "json"},
                 OptionFlags<v1::EstimateDepthRequest>(),
                 ConnectionFlags()}),
          [](const CommandContext& context) {
            return RunMapCommand<v1::EstimateDepthRequest>(
                context, "depth", &Client::EstimateDepth);
          }};
}

}  // namespace cooper::client
