// cooper chat IMAGE...
#include <unistd.h>

#include <thread>

#include "base/utf8.h"
#include "client/cli/capability.h"
#include "client/cli/chat_session.h"
#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/exit_code.h"
#include "client/cli/image_file.h"
#include "client/cli/line_reader.h"
#include "client/text.h"

namespace cooper::client {
namespace {

// Lines to questions and commands, until there are no more.
void TakeLines(LineReader* lines, ChatSession* chat,
               const CommandContext& context) {
  while (const std::optional<std::string> line = lines->Next()) {
    if (line->find_first_not_of(" \t") == std::string::npos) {
      chat->Prompt();
    } else if (line->front() == '/') {
      if (!chat->HandleCommand(*line)) return;
    } else if (!base::IsUtf8(*line)) {
      context.console->Problem("cooper: the question is no UTF-8");
    } else if (!chat->Ask(*line)) {
      return;
    }
  }
}

int Run(const CommandContext& context) {
  v1::ReasonRequest first;
  const absl::Status status = ReadOptions(&first);
  if (!status.ok()) {
    return UsageError(context, "chat", std::string(status.message()));
  }
  ReportRequest request;
  request.command = "chat";
  request.options = OptionsOf(first);
  for (size_t i = 0; i < context.arguments.size(); ++i) {
    auto image = ReadImage(context.arguments[i], i);
    if (!image.ok()) {
      return UsageError(context, "chat", std::string(image.status().message()));
    }
    first.add_inputs()->set_image(image->bytes);
    request.images.push_back(*std::move(image));
  }
  CallOptions call_options;
  call_options.join_maps = false;  // events are kept as they came
  int exit_code = 0;
  auto client = ConnectByFlags(context, "chat", &call_options, &exit_code);
  if (!client.ok()) return exit_code;
  WarnUnlessTrained(Capability::kConverse, **client, call_options,
                    context.console);

  const std::shared_ptr<Conversation> call = (*client)->Converse(call_options);
  const bool person = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
  ChatSession chat(context, std::move(request), std::move(first), call, person);
  LineReader lines(STDIN_FILENO);
  std::thread events([&] {
    chat.ShowEvents();
    lines.Stop();
  });
  chat.Prompt();
  TakeLines(&lines, &chat, context);
  const bool asked = chat.asked();
  if (asked) {
    call->CloseSending();
  } else {
    call->Cancel();
  }
  events.join();
  return asked ? chat.End() : kAnswered;
}

}  // namespace

Command ChatCommand() {
  return {
      "chat",
      "IMAGE...",
      "ask several questions about the same images, one a line",
      Flags({{"out", "json"},
             OptionFlags<v1::ReasonRequest>(),
             ConnectionFlags()}),
      Run,
      "While an answer is under way: /answer asks for it at once, /nomaps\n"
      "generates no more maps, Ctrl-C ends the turn (twice: leaves). /quit or\n"
      "the end of the input leaves. --out: a folder turnN for each turn.\n"};
}

}  // namespace cooper::client
