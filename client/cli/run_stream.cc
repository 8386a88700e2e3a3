#include "client/cli/run_stream.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "client/cli/call_record.h"
#include "client/cli/connect.h"
#include "client/cli/error_printer.h"
#include "client/cli/exit_code.h"
#include "client/cli/output_folder.h"
#include "client/cli/server_address.h"

namespace cooper::client {

int RunStream(const StreamJob& job, const CommandContext& context) {
  std::optional<OutputFolder> folder;
  const auto out = absl::GetFlag(FLAGS_out);
  if (out.has_value()) {
    auto created = OutputFolder::Create(*out);
    if (!created.ok()) {
      return UsageError(context, job.request.command,
                        std::string(created.status().message()));
    }
    folder = *std::move(created);
  }
  CallOptions call_options;
  call_options.join_maps = false;  // events are kept as they came
  int exit_code = 0;
  auto client =
      ConnectByFlags(context, job.request.command, &call_options, &exit_code);
  if (!client.ok()) return exit_code;

  const std::shared_ptr<EventStream> stream = job.start(**client, call_options);
  context.interrupt->SetHandler([stream] { stream->Cancel(); });
  ReportRequest request = job.request;
  if (const std::string server = absl::GetFlag(FLAGS_server);
      server != DefaultServer()) {
    request.server = server;
  }
  CallRecord call(request, job.print_regions, context.console,
                  std::move(folder));
  absl::Status written;
  Event event;
  while (written.ok() && context.console->good() && stream->Next(&event)) {
    written = call.Take(std::move(event));
  }
  if (written.ok() && !context.console->good()) {
    written = absl::DataLossError("cannot write to standard output");
  }
  if (!written.ok()) {
    stream->Cancel();
    while (stream->Next(&event)) {
    }
  }
  const absl::Status outcome = written.ok() ? stream->Finish() : written;
  context.interrupt->SetHandler(nullptr);

  const absl::Status kept = call.End(outcome);
  if (context.interrupt->signal() != 0 && !outcome.ok()) {
    context.console->Problem("cooper: cancelled");
    return 128 + context.interrupt->signal();
  }
  if (!outcome.ok()) {
    PrintError(outcome, context.console);
    return ExitCodeOf(outcome, call.any_event());
  }
  if (!kept.ok()) {
    PrintError(kept, context.console);
    return kFailed;
  }
  return call.transcript().finished()->reason() == v1::FINISH_REASON_ANSWERED
             ? kAnswered
             : kFailed;
}

}  // namespace cooper::client
