#ifndef COOPER_CLIENT_CHANNEL_H_
#define COOPER_CLIENT_CHANNEL_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cooper/client/options.h"

namespace cooper::client {

// Bytes of one message that a server may send; design: none passes 4 MiB.
inline constexpr int kMaxReceiveBytes = 4 << 20;

// The content of a small file. INVALID_ARGUMENT names `what` and the file.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path,
                                          absl::string_view what);

// A channel with credentials, keepalive and the retry policy. Opens no
// connection. INVALID_ARGUMENT for a file that cannot be read.
absl::StatusOr<std::shared_ptr<grpc::Channel>> CreateChannel(
    const ClientOptions& options);

// Waits until `channel` is connected. UNAVAILABLE, with what the attempt met,
// as soon as one attempt has failed or `timeout` has passed.
absl::Status WaitUntilConnected(grpc::Channel& channel,
                                const ClientOptions& options);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CHANNEL_H_
