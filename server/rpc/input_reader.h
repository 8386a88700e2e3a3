#ifndef COOPER_SERVER_RPC_INPUT_READER_H_
#define COOPER_SERVER_RPC_INPUT_READER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/image/codec.h"
#include "server/engine/core/request.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/limits.h"

namespace cooper::rpc {

// Takes the inputs of one request in their order and checks them alone and
// together. Reads headers of images, decodes none. `field` is the path of the
// wire field that an error names: INVALID_ARGUMENT, of an image with the reason
// INVALID_IMAGE and counted in the metrics.
//
// Not thread-safe. What it is given must outlive it.
class InputReader {
 public:
  InputReader(const RpcLimits& limits, const image::DecodeLimits& image_limits,
              metrics::ServerMetrics* metrics)
      : limits_(limits), image_limits_(image_limits), metrics_(*metrics) {}

  // An image file.
  absl::Status AddImage(std::string bytes, std::string field);
  // An image's pixels, [height, width, 3] R G B bytes of exactly that size.
  // Sides in px, of any value.
  absl::Status AddPixels(std::string pixels, int64_t width, int64_t height,
                         std::string field);
  absl::Status AddText(std::string text, absl::string_view field);

  // Whether one of the texts is not blank.
  bool has_text() const { return has_text_; }
  std::vector<engine::Input> Take() { return std::move(inputs_); }

 private:
  absl::Status CountImage(absl::string_view field);
  absl::Status AddToPixels(int64_t width, int64_t height,
                           absl::string_view field);
  absl::Status Refuse(absl::string_view reason, absl::string_view field,
                      absl::string_view message);

  const RpcLimits& limits_;
  const image::DecodeLimits& image_limits_;
  metrics::ServerMetrics& metrics_;
  std::vector<engine::Input> inputs_;
  int images_ = 0;
  int64_t pixels_ = 0;
  int64_t text_bytes_ = 0;
  bool has_text_ = false;
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_INPUT_READER_H_
