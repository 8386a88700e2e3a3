// cooper segment IMAGE
#include "client/cli/map_command.h"

namespace cooper::client {

Command SegmentCommand() {
  return {"segment", "IMAGE",
          "generate the segmentation of an image, list regions",
          Flags({{"out", "json"},
                 OptionFlags<v1::SegmentRequest>(),
                 ConnectionFlags()}),
          [](const CommandContext& context) {
            return RunMapCommand<v1::SegmentRequest>(context, "segment",
                                                     &Client::Segment);
          }};
}

}  // namespace cooper::client
