// cooper generate "TEXT" [IMAGE...]
#include "base/utf8.h"
#include "client/cli/capability.h"
#include "client/cli/command.h"
#include "client/cli/image_file.h"
#include "client/cli/run_stream.h"
#include "client/text.h"

namespace cooper::client {
namespace {

int Run(const CommandContext& context) {
  const auto& arguments = context.arguments;
  if (arguments.empty()) return UsageError(context, "generate", "no text");
  if (!base::IsUtf8(arguments[0])) {
    return UsageError(context, "generate", "the text is no UTF-8");
  }
  v1::GenerateImageRequest request;
  const absl::Status status = ReadOptions(&request);
  if (!status.ok()) {
    return UsageError(context, "generate", std::string(status.message()));
  }
  StreamJob job;
  job.request.command = "generate";
  job.request.text = arguments[0];
  job.request.options = OptionsOf(request);
  // The model was trained to read the images before what to do with them.
  for (size_t i = 1; i < arguments.size(); ++i) {
    auto image = ReadImage(arguments[i], i - 1);
    if (!image.ok()) {
      return UsageError(context, "generate",
                        std::string(image.status().message()));
    }
    request.add_inputs()->set_image(image->bytes);
    job.request.images.push_back(*std::move(image));
  }
  request.add_inputs()->set_text(arguments[0]);
  job.start = [&request, &context](Client& client, const CallOptions& options) {
    WarnUnlessTrained(Capability::kGenerateImages, client, options,
                      context.console);
    return client.GenerateImage(request, options);
  };
  return RunStream(job, context);
}

}  // namespace

Command GenerateCommand() {
  return {"generate", "\"TEXT\" [IMAGE...]",
          "generate an image, or edit images as the text says",
          Flags({{"out", "json"},
                 OptionFlags<v1::GenerateImageRequest>(),
                 ConnectionFlags()}),
          Run};
}

}  // namespace cooper::client
