// cooper ask IMAGE... "QUESTION"
#include <filesystem>
#include <system_error>

#include "base/utf8.h"
#include "client/cli/command.h"
#include "client/cli/image_file.h"
#include "client/cli/run_stream.h"
#include "client/text.h"

namespace cooper::client {
namespace {

int Run(const CommandContext& context) {
  const auto& arguments = context.arguments;
  if (arguments.empty()) return UsageError(context, "ask", "no question");
  const std::string& question = arguments.back();
  std::error_code error;
  if (std::filesystem::is_regular_file(question, error)) {
    return UsageError(context, "ask",
                      "the question is missing: the last argument, " +
                          question + ", is a file");
  }
  if (!base::IsUtf8(question)) {
    return UsageError(context, "ask", "the question is no UTF-8");
  }
  v1::ReasonRequest request;
  const absl::Status status = ReadOptions(&request);
  if (!status.ok()) {
    return UsageError(context, "ask", std::string(status.message()));
  }
  StreamJob job;
  job.request.command = "ask";
  job.request.text = question;
  job.request.options = OptionsOf(request);
  for (size_t i = 0; i + 1 < arguments.size(); ++i) {
    auto image = ReadImage(arguments[i], i);
    if (!image.ok()) {
      return UsageError(context, "ask", std::string(image.status().message()));
    }
    request.add_inputs()->set_image(image->bytes);
    job.request.images.push_back(*std::move(image));
  }
  request.add_inputs()->set_text(question);
  job.start = [&request](Client& client, const CallOptions& options) {
    return client.Reason(request, options);
  };
  return RunStream(job, context);
}

}  // namespace

Command AskCommand() {
  return {"ask", "IMAGE... \"QUESTION\"",
          "answer a question about images (or a plain one)",
          Flags({{"out", "json"},
                 OptionFlags<v1::ReasonRequest>(),
                 ConnectionFlags()}),
          Run};
}

}  // namespace cooper::client
