// cooper info
#include <google/protobuf/util/json_util.h>

#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/command.h"
#include "client/cli/connect.h"
#include "client/cli/error_printer.h"
#include "client/cli/exit_code.h"
#include "client/proto_names.h"
#include "client/text.h"

namespace cooper::client {
namespace {

// "14.7 B", "1.3 M".
std::string HumanCount(double count) {
  if (count >= 1e9) return absl::StrFormat("%.1f B", count / 1e9);
  if (count >= 1e6) return absl::StrFormat("%.1f M", count / 1e6);
  return absl::StrFormat("%.0f", count);
}

template <typename Enum>
std::string Names(const google::protobuf::RepeatedField<int>& values) {
  return absl::StrJoin(values, ", ", [](std::string* out, int value) {
    out->append(ShortName(static_cast<Enum>(value)));
  });
}

void PrintFields(const google::protobuf::Message& message,
                 absl::string_view title, Console* console) {
  console->Line(title);
  for (const Fact& fact : AllFieldsOf(message)) {
    console->Line(absl::StrFormat("  %-18s %s", fact.name, fact.value));
  }
}

void Print(const v1::GetModelResponse& model, Console* console) {
  const auto row = [console](absl::string_view name, absl::string_view value) {
    console->Line(absl::StrFormat("%-12s %s", name, Printable(value)));
  };
  row("model", model.name());
  row("parameters", HumanCount(static_cast<double>(model.parameters())));
  row("device", absl::StrCat(model.device(), ", ", model.dtype()));
  if (!model.instruction_set().empty()) {
    row("processor", absl::StrCat(model.instruction_set(), ", ",
                                  model.threads(), " threads"));
  }
  for (const v1::WeightFile& file : model.files()) {
    row("weights", absl::StrCat(file.path(), ", ", file.tensors(), " tensors"));
  }
  row("server", model.server_version());
  row("modes", Names<v1::Mode>(model.modes()));
  row("maps", Names<v1::MapKind>(model.map_kinds()));
  if (model.has_can_converse()) {
    row("chat", model.can_converse() ? "yes" : "no, not trained for it");
  }
  PrintFields(model.limits(), "limits", console);
  PrintFields(model.defaults(), "defaults", console);
}

int Run(const CommandContext& context) {
  if (!context.arguments.empty()) {
    return UsageError(context, "info", "takes no argument");
  }
  v1::GetModelRequest request;
  const absl::Status status = ReadOptions(&request);
  if (!status.ok()) {
    return UsageError(context, "info", std::string(status.message()));
  }
  CallOptions options;
  int exit_code = 0;
  auto client = ConnectByFlags(context, "info", &options, &exit_code);
  if (!client.ok()) return exit_code;
  const auto model = (*client)->GetModel(request, options);
  if (!model.ok()) {
    PrintError(model.status(), context.console);
    return ExitCodeOf(model.status(), /*any_event=*/false);
  }
  if (absl::GetFlag(FLAGS_json)) {
    google::protobuf::util::JsonPrintOptions print;
    print.preserve_proto_field_names = true;
    std::string json;
    if (!google::protobuf::util::MessageToJsonString(*model, &json, print)
             .ok()) {
      PrintError(absl::DataLossError("the answer has no JSON"),
                 context.console);
      return kFailed;
    }
    context.console->Line(json);
  } else {
    Print(*model, context.console);
  }
  return kAnswered;
}

}  // namespace

Command InfoCommand() {
  return {
      "info", "", "what is served: model, limits, defaults",
      Flags({{"json"}, OptionFlags<v1::GetModelRequest>(), ConnectionFlags()}),
      Run};
}

}  // namespace cooper::client
