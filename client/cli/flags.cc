#include "client/cli/flags.h"

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/proto_names.h"
#include "client/text.h"

template <typename T>
using Optional = std::optional<T>;

ABSL_FLAG(std::string, server, "localhost:8001", "HOST:PORT of the server");
ABSL_FLAG(bool, tls, false, "encrypt, trusting the system's authorities");
ABSL_FLAG(std::string, tls_ca, "", "encrypt; FILE: authorities to trust, PEM");
ABSL_FLAG(std::string, tls_cert, "", "FILE: this client's certificate, PEM");
ABSL_FLAG(std::string, tls_key, "", "FILE: the key of --tls_cert, PEM");
ABSL_FLAG(std::string, auth_token_file, "", "FILE: token sent with each call");
ABSL_FLAG(absl::Duration, connect_timeout, absl::Seconds(5),
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

// The first thing that went wrong while flags were read.
class Reader {
 public:
  template <typename T, typename Setter>
  void Set(const absl::Flag<Optional<T>>& flag, Setter setter) {
    const Optional<T> value = absl::GetFlag(flag);
    if (value.has_value()) setter(*value);
  }

  // A string field is refused by the wire if it is no UTF-8.
  template <typename Setter>
  void SetText(const char* name, const absl::Flag<Optional<std::string>>& flag,
               Setter setter) {
    Set(flag, [&](const std::string& value) {
      if (!IsUtf8(value)) return Fail(absl::StrCat("--", name, " is no UTF-8"));
      setter(value);
    });
  }

  template <typename Enum, typename Setter>
  void SetEnum(const char* name, const absl::Flag<Optional<std::string>>& flag,
               Setter setter) {
    Set(flag, [&](const std::string& value) {
      ParseEnum<Enum>(name, value, setter);
    });
  }

  template <typename Enum, typename Setter>
  void ParseEnum(const char* name, absl::string_view text, Setter setter) {
    const auto& type = *google::protobuf::GetEnumDescriptor<Enum>();
    const std::optional<int> value = ValueOf(type, text);
    if (value.has_value()) return setter(static_cast<Enum>(*value));
    Fail(absl::StrCat("--", name, ": \"", Printable(text), "\" is none of ",
                      absl::StrJoin(ShortNames(type), ", ")));
  }

  void Fail(const std::string& message) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(message);
  }
  absl::Status status() const { return status_; }

 private:
  absl::Status status_;
};

template <typename Request>
void ReadNames(Reader* reader, Request* request) {
  reader->SetText("model", FLAGS_model,
                  [&](const std::string& v) { request->set_model(v); });
  reader->SetText("request_id", FLAGS_request_id,
                  [&](const std::string& v) { request->set_request_id(v); });
  reader->SetEnum<v1::Priority>(
      "priority", FLAGS_priority,
      [&](v1::Priority v) { request->set_priority(v); });
  reader->Set(FLAGS_seed, [&](uint64_t v) { request->set_seed(v); });
}

template <typename Request>
void ReadFlow(Reader* reader, Request* request) {
  // Only touched when a flag is given: an empty message is not an unset one.
  const auto flow = [request] { return request->mutable_flow(); };
  const auto output = [request] { return request->mutable_output(); };
  reader->Set(FLAGS_num_timesteps,
              [&](int32_t v) { flow()->set_num_timesteps(v); });
  reader->Set(FLAGS_timestep_shift,
              [&](double v) { flow()->set_timestep_shift(v); });
  reader->Set(FLAGS_cfg_text_scale,
              [&](double v) { flow()->set_cfg_text_scale(v); });
  reader->Set(FLAGS_cfg_img_scale,
              [&](double v) { flow()->set_cfg_img_scale(v); });
  reader->Set(FLAGS_cfg_interval_low,
              [&](double v) { flow()->set_cfg_interval_low(v); });
  reader->Set(FLAGS_cfg_interval_high,
              [&](double v) { flow()->set_cfg_interval_high(v); });
  reader->Set(FLAGS_cfg_renorm_min,
              [&](double v) { flow()->set_cfg_renorm_min(v); });
  reader->SetEnum<v1::RenormType>(
      "cfg_renorm_type", FLAGS_cfg_renorm_type,
      [&](v1::RenormType v) { flow()->set_cfg_renorm_type(v); });
  reader->Set(FLAGS_preview_every,
              [&](int32_t v) { output()->set_preview_every(v); });
  reader->Set(FLAGS_roles, [&](const std::string& list) {
    for (absl::string_view role : absl::StrSplit(list, ',')) {
      reader->ParseEnum<v1::MapRole>(
          "roles", role, [&](v1::MapRole v) { output()->add_roles(v); });
    }
  });
  reader->SetEnum<v1::MapEncoding>(
      "depth_encoding", FLAGS_depth_encoding,
      [&](v1::MapEncoding v) { output()->set_depth_encoding(v); });
}

template <typename Request>
void ReadSampling(Reader* reader, Request* request) {
  const auto sampling = [request] { return request->mutable_sampling(); };
  reader->Set(FLAGS_max_think_tokens,
              [&](int32_t v) { request->set_max_think_tokens(v); });
  reader->Set(FLAGS_do_sample, [&](bool v) { sampling()->set_do_sample(v); });
  reader->Set(FLAGS_temperature,
              [&](double v) { sampling()->set_temperature(v); });
  reader->Set(FLAGS_top_p, [&](double v) { sampling()->set_top_p(v); });
}

}  // namespace

const FlagNames& ConnectionFlags() {
  static const auto& names =
      *new FlagNames{"server",          "tls",     "tls_ca",
                     "tls_cert",        "tls_key", "auth_token_file",
                     "connect_timeout", "deadline"};
  return names;
}

const FlagNames& StreamFlags() {
  static const auto& names =
      *new FlagNames{"out", "json", "model", "seed", "request_id", "priority"};
  return names;
}

const FlagNames& ReasonFlags() {
  static const auto& names = *new FlagNames{"mode", "max_turns"};
  return names;
}

const FlagNames& SamplingFlags() {
  static const auto& names =
      *new FlagNames{"max_think_tokens", "do_sample", "temperature", "top_p"};
  return names;
}

const FlagNames& FlowFlags() {
  static const auto& names =
      *new FlagNames{"num_timesteps",  "timestep_shift",   "cfg_text_scale",
                     "cfg_img_scale",  "cfg_interval_low", "cfg_interval_high",
                     "cfg_renorm_min", "cfg_renorm_type",  "preview_every",
                     "roles",          "depth_encoding"};
  return names;
}

const FlagNames& GenerateFlags() {
  static const auto& names = *new FlagNames{"think", "width", "height"};
  return names;
}

absl::Status ReadConnection(ClientOptions* client, CallOptions* call) {
  client->target = absl::GetFlag(FLAGS_server);
  client->tls = absl::GetFlag(FLAGS_tls);
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

absl::Status ReadOptions(v1::ReasonRequest* request) {
  Reader reader;
  ReadNames(&reader, request);
  reader.SetEnum<v1::Mode>("mode", FLAGS_mode,
                           [&](v1::Mode v) { request->set_mode(v); });
  reader.Set(FLAGS_max_turns, [&](int32_t v) { request->set_max_turns(v); });
  ReadSampling(&reader, request);
  ReadFlow(&reader, request);
  return reader.status();
}

absl::Status ReadOptions(v1::EstimateDepthRequest* request) {
  Reader reader;
  ReadNames(&reader, request);
  ReadFlow(&reader, request);
  return reader.status();
}

absl::Status ReadOptions(v1::SegmentRequest* request) {
  Reader reader;
  ReadNames(&reader, request);
  ReadFlow(&reader, request);
  return reader.status();
}

absl::Status ReadOptions(v1::GenerateImageRequest* request) {
  Reader reader;
  ReadNames(&reader, request);
  reader.Set(FLAGS_think, [&](bool v) { request->set_think(v); });
  reader.Set(FLAGS_width, [&](int32_t v) { request->set_width(v); });
  reader.Set(FLAGS_height, [&](int32_t v) { request->set_height(v); });
  ReadSampling(&reader, request);
  ReadFlow(&reader, request);
  return reader.status();
}

absl::Status ReadOptions(v1::GetModelRequest* request) {
  Reader reader;
  reader.SetText("model", FLAGS_model,
                 [&](const std::string& v) { request->set_model(v); });
  return reader.status();
}

}  // namespace cooper::client
