#include "server/flags.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/control_group.h"
#include "base/logging.h"
#include "base/status_macros.h"

namespace cooper {
namespace {

using engine::EngineOptions;
using rpc::ServerOptions;
using tracing::ExportOptions;

// Negative numbers mean "chosen" and stay.
int64_t ToMib(int64_t bytes) { return bytes < 0 ? bytes : bytes >> 20; }
int64_t FromMib(int64_t mib) { return mib < 0 ? mib : mib << 20; }

}  // namespace
}  // namespace cooper

using cooper::EngineOptions;
using cooper::ExportOptions;
using cooper::LifecycleOptions;
using cooper::ModelSource;
using cooper::ServerOptions;
using cooper::ToMib;

ABSL_FLAG(std::string, checkpoint, "",
          "Directory of the checkpoint, or two, comma-separated: a base and a "
          "fine-tune, whose files win over the base's of the same name and "
          "whose weights the base completes. Empty: the demo checkpoint.");
ABSL_FLAG(bool, check_weights, ModelSource{}.check_weights,
          "Verify every weight file before serving, against SHA256SUMS in its "
          "directory or against its name in the cache of the Hugging Face hub. "
          "A file without either is an error.");
ABSL_FLAG(
    std::string, device, ModelSource{}.device,
    "Device that the model runs on: auto (the first GPU, or the CPU where "
    "there is none), cpu, cuda or cuda:N.");
ABSL_FLAG(std::string, dtype, ModelSource{}.dtype,
          "auto, float32 or bfloat16.");
ABSL_FLAG(bool, deterministic, ModelSource{}.deterministic,
          "Compute every request so that its result does not depend on the "
          "other requests of a batch, at a cost in speed. On a CPU in float32 "
          "results never do.");
ABSL_FLAG(int, threads, ModelSource{}.threads,
          "Threads that compute one operator of the model on the CPU; 0: the "
          "cores that the control group (cpu.max) and the affinity allow, or "
          "one for a model too small to gain from more. [0, 1024].");
ABSL_FLAG(int64_t, kv_cache_mib, ModelSource{}.kv_cache_mib,
          "Memory of all contexts, MiB; 0: chosen from what is free.");
ABSL_FLAG(int64_t, prefix_cache_mib, ToMib(EngineOptions{}.prefix_cache_bytes),
          "Part of it that keeps the beginnings of requests for others that "
          "begin the same, MiB; -1: a quarter; 0: none. [-1, 1048576].");
ABSL_FLAG(
    std::string, prefix_cache_scope, "",
    "Whose prefixes a request may reuse, and is told of as cached tokens: "
    "client: its own client's; shared: every client's. Empty: client where "
    "callers have tokens or certificates, else shared.");
ABSL_FLAG(absl::Duration, session_ttl, EngineOptions{}.session_ttl,
          "How long the context of a conversation is kept after a turn; 0: no "
          "conversations.");
ABSL_FLAG(int64_t, session_mib, ToMib(EngineOptions{}.session_bytes),
          "Part of --kv_cache_mib that conversations may hold, MiB; -1: a "
          "quarter. [-1, 1048576].");
ABSL_FLAG(std::string, listen, ServerOptions{}.listen.ToString(),
          "HOST:PORT of gRPC; port 0 picks a free one.");
ABSL_FLAG(std::string, metrics_listen,
          LifecycleOptions{}.metrics_listen->ToString(),
          "HOST:PORT of GET /metrics; port 0 picks a free one. Empty: none.");
ABSL_FLAG(std::string, tls_cert, "",
          "PEM file: TLS certificate chain. "
          "This and the next three are read again when they change.");
ABSL_FLAG(std::string, tls_key, "", "PEM file: key of the certificate.");
ABSL_FLAG(std::string, tls_client_ca, "",
          "PEM file: callers must present a certificate of this CA.");
ABSL_FLAG(std::string, tls_crl, "",
          "PEM file: certificate revocation lists (CRLs) of that CA; callers "
          "whose certificate is on one are refused.");
ABSL_FLAG(std::string, auth_token_file, "",
          "File of bearer tokens, one a line; callers must bring one.");
ABSL_FLAG(bool, allow_plaintext_tokens, ServerOptions{}.allow_plaintext_tokens,
          "Accept bearer tokens without TLS on an address that other machines "
          "reach: a proxy ends TLS. Without it such a start is refused.");
ABSL_FLAG(
    std::string, policy_file, "",
    "JSON file of the methods that each client may call: {\"clients\": "
    "{\"NAME\": [\"Reason\", \"GetModel\"]}, \"default\": []}; clients are "
    "named as in the log. It is read again when it changes. Empty: every "
    "client may call all.");
ABSL_FLAG(std::string, health_listen, "",
          "HOST:PORT of a second port that serves the health service alone, "
          "without TLS, for probes; empty: none.");
ABSL_FLAG(bool, reflection, ServerOptions{}.reflection,
          "Serve gRPC reflection.");
ABSL_FLAG(int64_t, max_message_mib,
          ToMib(ServerOptions{}.limits.max_message_bytes),
          "Largest request message, MiB. [1, 1024].");
ABSL_FLAG(int, max_images, ServerOptions{}.limits.max_images,
          "Most images of one request. Each also takes tokens of the context, "
          "which has a limit of its own. [1, 512].");
ABSL_FLAG(int64_t, max_image_pixels, EngineOptions{}.image_limits.max_pixels,
          "Most pixels (width * height) of one image, and of all images of a "
          "request together. A decoded image takes 3 bytes a pixel, in each of "
          "--prepare_threads at once. [1, 1073741824].");
ABSL_FLAG(int, max_connections, ServerOptions{}.connections.total,
          "Open connections; more are closed at once. 0: as many as there are "
          "file descriptors. [0, 1000000].");
ABSL_FLAG(int, max_connections_per_address,
          ServerOptions{}.connections.per_address,
          "Open connections of one IPv4 address, or of one IPv6 /64; 0: no "
          "limit of its own. [0, 1000000].");
ABSL_FLAG(int64_t, memory_budget_mib, 0,
          "Memory for requests and answers on their way, MiB: half of it for "
          "request messages being received, a sixth for requests that wait, a "
          "sixth for decoding images and a sixth for answers that callers have "
          "not read. What passes it is refused or ended; images wait for their "
          "turn, and one that is larger is decoded alone. 0: 512, or a quarter "
          "of the container's memory limit if that is less, but at least four "
          "of the largest messages. [0, 1048576].");
ABSL_FLAG(absl::Duration, receive_timeout, ServerOptions{}.receive_timeout,
          "A call whose request message is not complete for so long is ended.");
ABSL_FLAG(absl::Duration, stall_timeout, ServerOptions{}.stall_timeout,
          "A reader that takes longer for one message is ended. Parts of maps "
          "have at most 3.5 MiB, pieces of text a few bytes.");
ABSL_FLAG(absl::Duration, stuck_after, ServerOptions{}.stuck_after,
          "An engine that has work but completes no step for so long hangs: "
          "requests in flight end with UNAVAILABLE, and the process ends with "
          "exit code 3. inf: never.");
ABSL_FLAG(absl::Duration, max_deadline, ServerOptions{}.max_deadline,
          "Deadline of calls that bring none, and the latest of all.");
ABSL_FLAG(absl::Duration, max_connection_age,
          ServerOptions{}.max_connection_age,
          "Connections are closed after this age, once their calls have "
          "ended; inf: never.");

ABSL_FLAG(int, max_running, EngineOptions{}.max_running,
          "Requests that run at once. [1, 1024].");
ABSL_FLAG(int, max_queue, EngineOptions{}.max_queue,
          "Requests that wait beside them. [0, 65536].");
ABSL_FLAG(int, max_per_client, EngineOptions{}.max_per_client,
          "Requests of one client that run or wait; 0: no limit. -1: no limit, "
          "but where the queue is full, the newest waiting request of the "
          "client with the most waiting ends with CLIENT_LIMIT in favour of a "
          "client with fewer. [-1, 65536].");
ABSL_FLAG(absl::Duration, max_queue_delay, EngineOptions{}.max_queue_delay,
          "A request that is expected to wait longer for its start is refused "
          "at once with QUEUE_FULL; 0: the length of the queue and deadlines "
          "alone count.");
ABSL_FLAG(absl::Duration, queue_timeout, EngineOptions{}.queue_timeout,
          "A request that could not be started for so long is refused; 0: it "
          "waits until its deadline.");
ABSL_FLAG(
    int64_t, slice_ms, absl::ToInt64Milliseconds(EngineOptions{}.slice),
    "Longest time that images are encoded or maps drawn before text goes on, "
    "ms. [1, 10000].");
ABSL_FLAG(int, prepare_threads, EngineOptions{}.prepare_threads,
          "Threads that decode and resize images. [1, 64].");
ABSL_FLAG(int, encode_threads, EngineOptions{}.encode_threads,
          "Threads that encode maps. [1, 64].");
ABSL_FLAG(absl::Duration, drain_timeout, LifecycleOptions{}.drain_timeout,
          "Time for requests under way after SIGTERM.");
ABSL_FLAG(std::string, log_format, "text", "text or json.");
ABSL_FLAG(std::string, otlp_traces_endpoint, "",
          "URL of the collector that gets the traces of calls, OTLP over HTTP: "
          "http://HOST:4318, to whose path /v1/traces they are sent, or with "
          "another path. Empty: what OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or "
          "OTEL_EXPORTER_OTLP_ENDPOINT says; without these, no traces.");
ABSL_FLAG(double, trace_sample_ratio, ExportOptions{}.sample_ratio,
          "Share of calls that are traced where the caller's traceparent does "
          "not say. [0, 1].");

namespace cooper {
namespace {

// Calls between those that the engine admits and the streams' cap, for health
// checks and for refusals.
constexpr int kStreamMargin = 256;

absl::Status CheckFlag(absl::string_view name, int64_t value, int64_t low,
                       int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": must be in [", low, ", ", high, "], not ", value));
}

absl::Status ReadListen(absl::string_view name, const std::string& value,
                        base::ListenAddress* address) {
  auto parsed = base::ListenAddress::Parse(value);
  if (!parsed.ok()) return base::Annotate(parsed.status(), name);
  *address = *std::move(parsed);
  return absl::OkStatus();
}

absl::Status ReadServerFlags(rpc::ServerOptions* rpc) {
  COOPER_RETURN_IF_ERROR(
      ReadListen("listen", absl::GetFlag(FLAGS_listen), &rpc->listen));
  rpc->tls.cert = absl::GetFlag(FLAGS_tls_cert);
  rpc->tls.key = absl::GetFlag(FLAGS_tls_key);
  rpc->tls.client_ca = absl::GetFlag(FLAGS_tls_client_ca);
  rpc->tls.crl = absl::GetFlag(FLAGS_tls_crl);
  rpc->auth_token_file = absl::GetFlag(FLAGS_auth_token_file);
  rpc->allow_plaintext_tokens = absl::GetFlag(FLAGS_allow_plaintext_tokens);
  rpc->policy_file = absl::GetFlag(FLAGS_policy_file);
  if (const std::string health = absl::GetFlag(FLAGS_health_listen);
      !health.empty()) {
    COOPER_RETURN_IF_ERROR(
        ReadListen("health_listen", health, &rpc->health_listen.emplace()));
  }
  rpc->reflection = absl::GetFlag(FLAGS_reflection);
  COOPER_RETURN_IF_ERROR(CheckFlag(
      "max_message_mib", absl::GetFlag(FLAGS_max_message_mib), 1, 1024));
  rpc->limits.max_message_bytes = absl::GetFlag(FLAGS_max_message_mib) << 20;
  const int images = absl::GetFlag(FLAGS_max_images);
  COOPER_RETURN_IF_ERROR(CheckFlag("max_images", images, 1, 512));
  rpc->limits.max_images = images;
  // With as many texts.
  rpc->limits.max_inputs = std::max(rpc->limits.max_inputs, 2 * images);
  rpc->connections.total = absl::GetFlag(FLAGS_max_connections);
  rpc->connections.per_address =
      absl::GetFlag(FLAGS_max_connections_per_address);
  rpc->receive_timeout = absl::GetFlag(FLAGS_receive_timeout);
  rpc->stall_timeout = absl::GetFlag(FLAGS_stall_timeout);
  rpc->stuck_after = absl::GetFlag(FLAGS_stuck_after);
  rpc->max_deadline = absl::GetFlag(FLAGS_max_deadline);
  rpc->max_connection_age = absl::GetFlag(FLAGS_max_connection_age);
  rpc->version = COOPER_VERSION;
  return absl::OkStatus();
}

// Splits the budget among its users.
absl::Status ReadMemoryBudget(LifecycleOptions* options) {
  const int64_t mib = absl::GetFlag(FLAGS_memory_budget_mib);
  COOPER_RETURN_IF_ERROR(CheckFlag("memory_budget_mib", mib, 0, 1 << 20));
  int64_t budget = mib << 20;
  if (budget == 0) {
    budget = int64_t{512} << 20;
    if (const auto limit = base::MemoryLimit()) {
      budget = std::min(budget, *limit / 4);
    }
    budget = std::max(budget, 4 * options->rpc.limits.max_message_bytes);
  }
  options->rpc.receive_bytes = budget / 2;
  options->rpc.answer_bytes = budget / 6;
  options->engine.max_queue_bytes = budget / 6;
  options->engine.decode_bytes = budget / 6;
  return options->rpc.Validate();
}

// Whose prefixes requests reuse; after the flags of the server.
absl::Status ReadPrefixScope(LifecycleOptions* options) {
  const std::string scope = absl::GetFlag(FLAGS_prefix_cache_scope);
  if (scope != "" && scope != "client" && scope != "shared") {
    return absl::InvalidArgumentError(
        absl::StrCat("prefix_cache_scope: must be client or shared, not \"",
                     base::Printable(scope), "\""));
  }
  const bool identities = !options->rpc.auth_token_file.empty() ||
                          !options->rpc.tls.client_ca.empty();
  options->engine.prefixes_by_client =
      scope == "client" || (scope.empty() && identities);
  return absl::OkStatus();
}

absl::Status ReadEngineFlags(engine::EngineOptions* engine) {
  engine->max_running = absl::GetFlag(FLAGS_max_running);
  engine->max_queue = absl::GetFlag(FLAGS_max_queue);
  COOPER_RETURN_IF_ERROR(
      CheckFlag("slice_ms", absl::GetFlag(FLAGS_slice_ms), 1, 10000));
  engine->max_per_client = absl::GetFlag(FLAGS_max_per_client);
  engine->max_queue_delay = absl::GetFlag(FLAGS_max_queue_delay);
  engine->queue_timeout = absl::GetFlag(FLAGS_queue_timeout);
  const int64_t cache_mib = absl::GetFlag(FLAGS_prefix_cache_mib);
  COOPER_RETURN_IF_ERROR(CheckFlag("prefix_cache_mib", cache_mib, -1, 1 << 20));
  engine->prefix_cache_bytes = FromMib(cache_mib);
  engine->session_ttl = absl::GetFlag(FLAGS_session_ttl);
  const int64_t session_mib = absl::GetFlag(FLAGS_session_mib);
  COOPER_RETURN_IF_ERROR(CheckFlag("session_mib", session_mib, -1, 1 << 20));
  engine->session_bytes = FromMib(session_mib);
  engine->slice = absl::Milliseconds(absl::GetFlag(FLAGS_slice_ms));
  engine->prepare_threads = absl::GetFlag(FLAGS_prepare_threads);
  engine->encode_threads = absl::GetFlag(FLAGS_encode_threads);
  engine->image_limits.max_pixels = absl::GetFlag(FLAGS_max_image_pixels);
  return engine->Validate();
}

absl::Status ReadCheckpointFlag(std::vector<std::string>* directories) {
  const std::string given = absl::GetFlag(FLAGS_checkpoint);
  for (const absl::string_view directory :
       absl::StrSplit(given, ',', absl::SkipWhitespace())) {
    directories->emplace_back(absl::StripAsciiWhitespace(directory));
  }
  if (given.empty() || !directories->empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "checkpoint: no directory in \"", base::Printable(given), "\""));
}

}  // namespace

bool LogsAreJson() { return absl::GetFlag(FLAGS_log_format) == "json"; }

absl::Status ReadFlags(LifecycleOptions* options) {
  const std::string format = absl::GetFlag(FLAGS_log_format);
  if (format != "text" && format != "json") {
    return absl::InvalidArgumentError(
        absl::StrCat("log_format: must be text or json, not \"",
                     base::Printable(format), "\""));
  }
  base::SetLogFormat(LogsAreJson() ? base::LogFormat::kJson
                                   : base::LogFormat::kText);
  options->metrics_listen.reset();
  if (const std::string metrics = absl::GetFlag(FLAGS_metrics_listen);
      !metrics.empty()) {
    COOPER_RETURN_IF_ERROR(ReadListen("metrics_listen", metrics,
                                      &options->metrics_listen.emplace()));
  }
  COOPER_RETURN_IF_ERROR(ReadEngineFlags(&options->engine));
  COOPER_RETURN_IF_ERROR(ReadServerFlags(&options->rpc));
  COOPER_RETURN_IF_ERROR(ReadMemoryBudget(options));
  COOPER_RETURN_IF_ERROR(ReadPrefixScope(options));
  options->rpc.max_concurrent_streams =
      options->engine.max_running + options->engine.max_queue + kStreamMargin;
  options->tracing.endpoint = tracing::TracesEndpoint(
      absl::GetFlag(FLAGS_otlp_traces_endpoint), tracing::ReadEnvironment);
  options->tracing.sample_ratio = absl::GetFlag(FLAGS_trace_sample_ratio);
  COOPER_RETURN_IF_ERROR(options->tracing.Validate());
  options->drain_timeout = absl::GetFlag(FLAGS_drain_timeout);
  if (options->drain_timeout < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("drain_timeout: must not be negative");
  }
  return absl::OkStatus();
}

absl::Status ReadModelFlags(const engine::EngineOptions& engine,
                            ModelSource* source) {
  COOPER_RETURN_IF_ERROR(ReadCheckpointFlag(&source->checkpoint_dirs));
  source->device = absl::GetFlag(FLAGS_device);
  source->dtype = absl::GetFlag(FLAGS_dtype);
  source->kv_cache_mib = absl::GetFlag(FLAGS_kv_cache_mib);
  source->threads = absl::GetFlag(FLAGS_threads);
  source->deterministic = absl::GetFlag(FLAGS_deterministic);
  source->check_weights = absl::GetFlag(FLAGS_check_weights);
  source->prefill_rows = engine.prefill_tokens;
  source->denoise_rows = engine.denoise_tokens;
  return source->Validate();
}

}  // namespace cooper
