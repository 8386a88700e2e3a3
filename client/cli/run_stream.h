#ifndef COOPER_CLIENT_CLI_RUN_STREAM_H_
#define COOPER_CLIENT_CLI_RUN_STREAM_H_

#include <functional>
#include <memory>

#include "client/cli/command.h"
#include "client/report/report.h"
#include "cooper/client/client.h"

namespace cooper::client {

// A streaming call of the tool.
struct StreamJob {
  // Starts the call.
  std::function<std::unique_ptr<EventStream>(Client&, const CallOptions&)>
      start;
  // What is asked, for the report.
  ReportRequest request;
  // Prints the regions of a segmentation as a table on standard output.
  bool print_regions = false;
};

// Connects, runs the call, shows it, keeps it under --out, and returns the exit
// code. The report is written for a call that failed midway, too.
int RunStream(const StreamJob& job, const CommandContext& context);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_RUN_STREAM_H_
