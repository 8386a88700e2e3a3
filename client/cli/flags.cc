#include "client/cli/flags.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <memory>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/check.h"
#include "base/utf8.h"
#include "client/cli/server_address.h"
#include "client/proto_names.h"
#include "client/text.h"

template <typename T>
using Optional = std::optional<T>;

ABSL_FLAG(std::string, server, cooper::client::DefaultServer(),
          "HOST:PORT, http(s)://HOST:PORT or unix:PATH of the server; "
          "$COOPER_SERVER, if it is set");
ABSL_FLAG(absl::Duration, wait, absl::ZeroDuration(),
          "wait so long for a server that starts, as 60s");
ABSL_FLAG(bool, tls, false, "encrypt, trusting the system's authorities");
ABSL_FLAG(std::string, tls_ca, "", "encrypt; FILE: authorities to trust, PEM");
ABSL_FLAG(std::string, tls_cert, "", "FILE: this client's certificate, PEM");
ABSL_FLAG(std::string, tls_key, "", "FILE: the key of --tls_cert, PEM");
ABSL_FLAG(std::string, auth_token_file, "", "FILE: token sent with each call");
ABSL_FLAG(absl::Duration, connect_timeout,
          cooper::client::ClientOptions{}.connect_timeout,
          "how long to wait for a connection, as 5s");
ABSL_FLAG(Optional<absl::Duration>, deadline, std::nullopt,
          "give up after this long, as 30s");

ABSL_FLAG(Optional<std::string>, out, std::nullopt,
          "DIR: keep maps, events, answer and report.html there");
ABSL_FLAG(bool, json, false, "events as JSON on standard output, one a line");
ABSL_FLAG(std::string, service, "",
          "whose health: liveness, readiness, a service's name; empty: the "
          "server");

ABSL_FLAG(Optional<std::string>, model, std::nullopt, "name of the model");
ABSL_FLAG(Optional<std::string>, request_id, std::nullopt,
          "name of this request in the server's log");
ABSL_FLAG(Optional<uint64_t>, seed, std::nullopt,
          "same request, same seed, same result");

ABSL_FLAG(Optional<std::string>, priority, std::nullopt,
          "normal, or low: work that can wait");

ABSL_FLAG(Optional<std::string>, mode, std::nullopt,
          "interleaved, text_only or perceive_then_answer");
ABSL_FLAG(Optional<int32_t>, max_turns, std::nullopt,
          "texts that the model may write");

ABSL_FLAG(Optional<int32_t>, max_think_tokens, std::nullopt,
          "tokens of one text");
ABSL_FLAG(Optional<bool>, do_sample, std::nullopt,
          "sample tokens instead of taking the most probable");
ABSL_FLAG(Optional<double>, temperature, std::nullopt,
          "of --do_sample: lower is safer");
ABSL_FLAG(Optional<double>, top_p, std::nullopt,
          "of --do_sample: only the likeliest tokens up to this mass");

ABSL_FLAG(Optional<int32_t>, num_timesteps, std::nullopt,
          "points of a map's schedule: more is slower and finer");
ABSL_FLAG(Optional<double>, timestep_shift, std::nullopt,
          "above 1: more steps on noise");
ABSL_FLAG(Optional<double>, cfg_text_scale, std::nullopt, "text guidance");
ABSL_FLAG(Optional<double>, cfg_img_scale, std::nullopt, "image guidance");
ABSL_FLAG(Optional<double>, cfg_interval_low, std::nullopt,
          "guidance applies above this time");
ABSL_FLAG(Optional<double>, cfg_interval_high, std::nullopt,
          "guidance applies up to this time");
ABSL_FLAG(Optional<double>, cfg_renorm_min, std::nullopt,
          "lowest factor of the renormalisation");
ABSL_FLAG(Optional<std::string>, cfg_renorm_type, std::nullopt,
          "global, channel or text_channel");
ABSL_FLAG(Optional<int32_t>, preview_every, std::nullopt,
          "a preview every this many steps");
ABSL_FLAG(Optional<std::string>, roles, std::nullopt,
          "renderings to send, as values,display,as_seen_by_model");
ABSL_FLAG(Optional<std::string>, depth_encoding, std::nullopt,
          "png_grey16 or raw_float32");

ABSL_FLAG(Optional<bool>, think, std::nullopt, "plan the image in text");
ABSL_FLAG(Optional<int32_t>, width, std::nullopt,
          "width of the generated image, px");
ABSL_FLAG(Optional<int32_t>, height, std::nullopt,
          "height of the generated image, px");

namespace cooper::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// The value of the flag `name`, of type Optional<T>; unset: it was not given.
template <typename T>
Optional<T> ValueOfFlag(const std::string& name) {
  const absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
  COOPER_CHECK(flag != nullptr && flag->IsOfType<Optional<T>>());
  return *flag->TryGet<Optional<T>>();
}

// The number of the enum's value, which the flag gives by its short name.
absl::StatusOr<int> ParseEnum(const FieldDescriptor& field,
                              absl::string_view text) {
  const auto& type = *field.enum_type();
  const std::optional<int> value = ValueOf(type, text);
  if (value.has_value()) return *value;
  return absl::InvalidArgumentError(
      absl::StrCat("--", field.name(), ": \"", Printable(text),
                   "\" is none of ", absl::StrJoin(ShortNames(type), ", ")));
}

absl::Status SetEnums(const FieldDescriptor& field, const std::string& text,
                      Message* message) {
  const Reflection& reflection = *message->GetReflection();
  if (!field.is_repeated()) {
    const absl::StatusOr<int> value = ParseEnum(field, text);
    if (value.ok()) reflection.SetEnumValue(message, &field, *value);
    return value.status();
  }
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const absl::StatusOr<int> value = ParseEnum(field, part);
    if (!value.ok()) return value.status();
    reflection.AddEnumValue(message, &field, *value);
  }
  return absl::OkStatus();
}

// Whether the field is an option: not an input of the request.
bool IsOption(const FieldDescriptor& field) {
  return field.type() != FieldDescriptor::TYPE_BYTES &&
         !(field.is_repeated() && field.message_type() != nullptr);
}

absl::Status SetOption(const FieldDescriptor& field, Message* message);

absl::Status SetOptions(Message* message) {
  const Descriptor& type = *message->GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    if (!IsOption(*type.field(i))) continue;
    absl::Status status = SetOption(*type.field(i), message);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SetOption(const FieldDescriptor& field, Message* message) {
  const Reflection& reflection = *message->GetReflection();
  const std::string& name = field.name();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      if (const auto value = ValueOfFlag<int32_t>(name)) {
        reflection.SetInt32(message, &field, *value);
      }
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_UINT64:
      if (const auto value = ValueOfFlag<uint64_t>(name)) {
        reflection.SetUInt64(message, &field, *value);
      }
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_DOUBLE:
      if (const auto value = ValueOfFlag<double>(name)) {
        reflection.SetDouble(message, &field, *value);
      }
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_BOOL:
      if (const auto value = ValueOfFlag<bool>(name)) {
        reflection.SetBool(message, &field, *value);
      }
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_ENUM:
      if (const auto value = ValueOfFlag<std::string>(name)) {
        return SetEnums(field, *value, message);
      }
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_STRING:
      if (const auto value = ValueOfFlag<std::string>(name)) {
        // gRPC would refuse it without naming the field.
        if (!base::IsUtf8(*value)) {
          return absl::InvalidArgumentError(
              absl::StrCat("--", name, " is no UTF-8"));
        }
        reflection.SetString(message, &field, *value);
      }
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      // An empty message is not an unset one.
      const std::unique_ptr<Message> part(
          reflection.GetMessage(*message, &field).New());
      absl::Status status = SetOptions(part.get());
      if (status.ok() && part->ByteSizeLong() > 0) {
        reflection.MutableMessage(message, &field)->MergeFrom(*part);
      }
      return status;
    }
    default:
      COOPER_CHECK(false);
  }
}

}  // namespace

const FlagNames& ConnectionFlags() {
  static const auto& names =
      *new FlagNames{"server",          "tls",     "tls_ca",
                     "tls_cert",        "tls_key", "auth_token_file",
                     "connect_timeout", "wait",    "deadline"};
  return names;
}

FlagNames OptionFlags(const Descriptor& request) {
  FlagNames names;
  for (int i = 0; i < request.field_count(); ++i) {
    const FieldDescriptor& field = *request.field(i);
    if (!IsOption(field)) continue;
    if (field.message_type() == nullptr) {
      names.push_back(field.name().c_str());
      continue;
    }
    const FlagNames inner = OptionFlags(*field.message_type());
    names.insert(names.end(), inner.begin(), inner.end());
  }
  return names;
}

absl::Status ReadConnection(ClientOptions* client, CallOptions* call) {
  client->tls = absl::GetFlag(FLAGS_tls);
  absl::Status status = ReadServer(absl::GetFlag(FLAGS_server), client);
  if (!status.ok()) return status;
  client->tls_ca_file = absl::GetFlag(FLAGS_tls_ca);
  client->tls_cert_file = absl::GetFlag(FLAGS_tls_cert);
  client->tls_key_file = absl::GetFlag(FLAGS_tls_key);
  client->auth_token_file = absl::GetFlag(FLAGS_auth_token_file);
  client->connect_timeout = absl::GetFlag(FLAGS_connect_timeout);
  const auto deadline = absl::GetFlag(FLAGS_deadline);
  if (deadline.has_value()) {
    if (*deadline <= absl::ZeroDuration()) {
      return absl::InvalidArgumentError("--deadline must be above zero");
    }
    call->timeout = *deadline;
  }
  return client->Validate();
}

absl::Status ReadOptions(Message* request) { return SetOptions(request); }

}  // namespace cooper::client
