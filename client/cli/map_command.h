#ifndef COOPER_CLIENT_CLI_MAP_COMMAND_H_
#define COOPER_CLIENT_CLI_MAP_COMMAND_H_

#include <memory>
#include <string>
#include <utility>

#include "client/cli/command.h"
#include "client/cli/image_file.h"
#include "client/cli/run_stream.h"

namespace cooper::client {

// Runs a command that generates one map of one image. `Request` is the
// request's type, `start` the method of Client that sends it.
template <typename Request>
int RunMapCommand(const CommandContext& context, const std::string& command,
                  std::unique_ptr<EventStream> (Client::*start)(
                      const Request&, const CallOptions&)) {
  if (context.arguments.size() != 1) {
    return UsageError(context, command, "takes exactly one image");
  }
  Request request;
  const absl::Status status = ReadOptions(&request);
  if (!status.ok()) {
    return UsageError(context, command, std::string(status.message()));
  }
  auto image = ReadImage(context.arguments[0], 0);
  if (!image.ok()) {
    return UsageError(context, command, std::string(image.status().message()));
  }
  StreamJob job;
  job.request.command = command;
  job.request.options = OptionsOf(request);
  job.print_regions = command == "segment";
  request.set_image(image->bytes);
  job.request.images.push_back(*std::move(image));
  job.start = [&](Client& client, const CallOptions& options) {
    return (client.*start)(request, options);
  };
  return RunStream(job, context);
}

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_MAP_COMMAND_H_
