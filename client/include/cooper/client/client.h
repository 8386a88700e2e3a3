#ifndef COOPER_CLIENT_CLIENT_H_
#define COOPER_CLIENT_CLIENT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cooper/client/conversation.h"
#include "cooper/client/error.h"
#include "cooper/client/event.h"
#include "cooper/client/event_stream.h"
#include "cooper/client/options.h"
#include "cooper/v1/spatial_reasoning.pb.h"

namespace cooper::client {

// What the health service says of a service.
enum class ServingState { kUnknown, kServing, kNotServing };

// A COOPER server, as seen from a program. Thread-safe; calls run side by side
// over one connection. Streams keep what they need alive and may outlive it.
//
// Errors are the server's status; Error::FromStatus reads their details.
// GetModel and Health are tried up to three times where the server is
// UNAVAILABLE; streams never are: they cost real work, so the caller decides.
class Client {
 public:
  ~Client();

  // Reads the files named in `options` and waits for a connection, at most
  // connect_timeout. INVALID_ARGUMENT: options or a file; UNAVAILABLE: nothing
  // answers at the target.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(
      const ClientOptions& options);

  // The streaming RPCs. They return at once; errors come from the stream.
  std::unique_ptr<EventStream> Reason(const v1::ReasonRequest& request,
                                      const CallOptions& options = {});
  std::unique_ptr<EventStream> EstimateDepth(
      const v1::EstimateDepthRequest& request, const CallOptions& options = {});
  std::unique_ptr<EventStream> Segment(const v1::SegmentRequest& request,
                                       const CallOptions& options = {});
  std::unique_ptr<EventStream> GenerateImage(
      const v1::GenerateImageRequest& request, const CallOptions& options = {});

  // A conversation. Returns at once; errors come from it.
  std::unique_ptr<Conversation> Converse(const CallOptions& options = {});

  // What is served. Blocks.
  absl::StatusOr<v1::GetModelResponse> GetModel(
      const v1::GetModelRequest& request, const CallOptions& options = {});

  // State of `service`: "" (the server), "liveness", "readiness", or a
  // service's full name. NOT_FOUND for another. Blocks.
  absl::StatusOr<ServingState> Health(absl::string_view service,
                                      const CallOptions& options = {});

 private:
  struct Impl;
  explicit Client(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLIENT_H_
