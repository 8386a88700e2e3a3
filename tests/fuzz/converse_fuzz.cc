// Conversations: what a client sends in one Converse call, through the service
// and the engine on the scripted model, over a channel inside of the process.
// An input is a list of actions, one a line: a letter and its argument.
//   s TEXT  start with a question       i TEXT  start with an image, too
//   e ID    resume the session (no ID: the last one that any call had)
//   a TEXT  ask                         p TEXT  ask about another image
//   n       answer now                  m       no more maps
//   c       cancel the turn             w       wait for the turns' ends
//   x       cancel the call             r HEX   the bytes of a message
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/sync_stream.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/periodic.h"
#include "model/fake/fake_model.h"
#include "model/image/codec.h"
#include "server/rpc/message.h"
#include "server/rpc/request_parser.h"
#include "server/rpc/service.h"
#include "server/rpc/session_id.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/server/metrics/scrape.h"

namespace cooper::fuzz {
namespace {

constexpr size_t kMaxActions = 40;
constexpr int kIdentityEvery = 50;  // inputs

fake::FakeScript Script() {
  fake::FakeScript script;
  script.vae_rule = {64, 32, 16, 1 << 20};
  script.vit_rule = {56, 28, 14, 1 << 20};
  script.scripts = {
      {"map",
       {"<think> a </think><depth-estimation> d </depth-estimation>",
        "<think> b </think><segmentation> s </segmentation>",
        "<answer> \\boxed{b} </answer>"}},
      {"long", {"<think>" + std::string(300, 'a')}},
  };
  return script;
}

// A server without a listener.
class Service {
 public:
  Service() {
    rpc::StreamEnvironment environment;
    environment.metrics = &metrics_;
    environment.clock = base::Clock::Real();
    environment.stalls = &stalls_;
    environment.answers = &answers_;
    environment.memory = &memory_;
    environment.stall_timeout = absl::Seconds(30);
    environment.max_deadline = absl::Minutes(1);
    environment.receive_timeout = absl::Seconds(30);
    service_ = std::make_unique<rpc::SpatialReasoningService>(
        &state_, limits_, environment, rpc::CallerCredentials{}, "1.2.3");
    methods_ = std::make_unique<rpc::MethodTable>(
        [environment](rpc::CallContext* context) {
          return rpc::AnswerUnknownMethod(environment, context);
        });
    service_->AddTo(methods_.get());
    state_.Fill({&engine_, &model_.info()});
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(methods_.get());
    server_ = builder.BuildAndStart();
    channel_ = server_->InProcessChannel({});
    watchdog_ = std::make_unique<base::Periodic>(
        "watchdog", absl::Milliseconds(5),
        [this] { stalls_.Check(base::Clock::Real()->Now()); });
  }

  // Reads a message as the service does; the copies of counters are its own.
  absl::Status Parse(const v1::ReasonRequest& wire) {
    return Parser().Parse(wire).status();
  }
  absl::Status Parse(const v1::ConverseAsk& wire) {
    return Parser().ParseInputs(wire.inputs()).status();
  }

  // No request is left, and nothing of one.
  void CheckAtRest() {
    const absl::Time give_up = absl::Now() + absl::Seconds(5);
    while (engine_.load().running + engine_.load().queued > 0) {
      COOPER_CHECK(absl::Now() < give_up);
      absl::SleepFor(absl::Microseconds(50));
    }
    COOPER_CHECK(engine_.healthy());
    COOPER_CHECK(model_.live_denoisers() == 0);
    if (++inputs_ % kIdentityEvery != 0) return;
    while (!testing::IdentityBreaches(Collect()).empty() ||
           Collect().Sum("cooper_requests_in_flight") != 0) {
      COOPER_CHECK(absl::Now() < give_up);
      absl::SleepFor(absl::Milliseconds(1));
    }
  }

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  testing::Scrape Collect() const {
    return testing::Scrape::Parse(
        prometheus::TextSerializer().Serialize(registry_.Collect()));
  }
  rpc::RequestParser Parser() {
    return rpc::RequestParser(&model_.info(), &limits_,
                              &engine_.options().image_limits,
                              &unused_metrics_);
  }

  int inputs_ = 0;
  prometheus::Registry registry_;
  metrics::ServerMetrics metrics_{&registry_};
  prometheus::Registry unused_registry_;
  metrics::ServerMetrics unused_metrics_{&unused_registry_};
  fake::FakeModel model_{Script()};
  engine::Engine engine_{&model_, &metrics_, base::Clock::Real(), {}};
  rpc::RpcLimits limits_;
  rpc::StallWatch stalls_;
  rpc::AnswerBudget answers_{int64_t{64} << 20};
  rpc::MemoryWatch memory_{{}, &metrics_};
  rpc::ServingState state_;
  std::unique_ptr<rpc::SpatialReasoningService> service_;
  std::unique_ptr<rpc::MethodTable> methods_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<base::Periodic> watchdog_;
};

// What the messages of a call so far lead to.
struct Expectation {
  int turns = 0;
  bool started = false;
  bool is_error = false;      // one of them breaks the protocol or is refused
  bool is_uncertain = false;  // the engine or the client may end the call

  void Add(const grpc::ByteBuffer& bytes, Service* service) {
    v1::ConverseRequest request;
    if (!rpc::ParseMessage(bytes, {}, &request).ok()) {
      is_error = true;
      return;
    }
    const bool start = request.has_start();
    if (start == started ||
        request.request_case() == v1::ConverseRequest::REQUEST_NOT_SET) {
      is_error = true;
      return;
    }
    if (!start && !request.has_ask()) return;
    started = true;
    ++turns;
    const absl::Status parsed = start ? service->Parse(request.start().reason())
                                      : service->Parse(request.ask());
    if (!parsed.ok()) is_error = true;
    // Whether the session is there, and whether the image can be decoded.
    if (!request.start().session_id().empty()) is_uncertain = true;
    for (const v1::Input& input :
         start ? request.start().reason().inputs() : request.ask().inputs()) {
      if (input.has_image()) is_uncertain = true;
    }
  }
};

// The events of one call, in their order.
class Answer {
 public:
  void Read(const grpc::ByteBuffer& bytes) ABSL_LOCKS_EXCLUDED(mutex_) {
    v1::Event event;
    COOPER_CHECK(rpc::ParseMessage(bytes, {}, &event).ok());
    base::MutexLock lock(&mutex_);
    switch (event.event_case()) {
      case v1::Event::kStarted:
        COOPER_CHECK(!running_);
        running_ = true;
        return;
      case v1::Event::kSession:
        COOPER_CHECK(session_id_.empty() ||
                     session_id_ == event.session().session_id());
        session_id_ = event.session().session_id();
        return;
      case v1::Event::kFinished:
        COOPER_CHECK(running_);
        running_ = false;
        ++turns_;
        return;
      case v1::Event::kTurnCancelled:
        running_ = false;  // it may not have started
        ++turns_;
        return;
      default:
        COOPER_CHECK(running_);
        COOPER_CHECK(event.event_case() != v1::Event::EVENT_NOT_SET);
    }
  }
  void End() ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    ended_ = true;
  }

  // Until `turns` have ended, or the call has.
  void AwaitTurns(int turns) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    const auto done = [this, turns]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return ended_ || turns_ >= turns;
    };
    mutex_.Await(absl::Condition(&done));
  }
  int turns() const ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    return turns_;
  }
  std::string session_id() const ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    return session_id_;
  }

 private:
  mutable base::Mutex mutex_;
  int turns_ ABSL_GUARDED_BY(mutex_) = 0;  // that ended
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::string session_id_ ABSL_GUARDED_BY(mutex_);
};

std::string Image() {
  image::RgbImage image;
  image.size = {64, 64};
  image.pixels.resize(size_t{64} * 64 * 3, 100);
  return image::EncodePng(image).value();
}

grpc::ByteBuffer RawMessage(absl::string_view hex) {
  std::string bytes;
  if (hex.size() % 2 == 0 &&
      std::all_of(hex.begin(), hex.end(), absl::ascii_isxdigit)) {
    bytes = absl::HexStringToBytes(hex);
  } else {
    bytes = std::string(hex);
  }
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

// The message of an action; nullopt: it sends none.
std::optional<grpc::ByteBuffer> MessageOf(char action,
                                          absl::string_view argument,
                                          const std::string& last_session) {
  static const auto* const png = new std::string(Image());
  v1::ConverseRequest request;
  v1::ReasonRequest* reason = nullptr;
  switch (action) {
    case 'i':
      request.mutable_start()->mutable_reason()->add_inputs()->set_image(*png);
      [[fallthrough]];
    case 's':
      reason = request.mutable_start()->mutable_reason();
      reason->add_inputs()->set_text(std::string(argument));
      break;
    case 'e':
      reason = request.mutable_start()->mutable_reason();
      reason->add_inputs()->set_text("again");
      request.mutable_start()->set_session_id(
          argument.empty() ? last_session : std::string(argument));
      break;
    case 'p':
      request.mutable_ask()->add_inputs()->set_image(*png);
      [[fallthrough]];
    case 'a':
      request.mutable_ask()->add_inputs()->set_text(std::string(argument));
      break;
    case 'n':
      request.mutable_answer_now();
      break;
    case 'm':
      request.mutable_no_more_maps();
      break;
    case 'c':
      request.mutable_cancel();
      break;
    case 'r':
      return RawMessage(argument);
    default:
      return std::nullopt;
  }
  if (reason != nullptr) reason->mutable_flow()->set_num_timesteps(3);
  return rpc::SerializeMessage(request);
}

void CheckEnd(const grpc::Status& status, const Answer& answer,
              const Expectation& expected) {
  COOPER_CHECK(status.error_code() != grpc::StatusCode::UNKNOWN);
  COOPER_CHECK(status.error_code() != grpc::StatusCode::INTERNAL);
  COOPER_CHECK(status.error_code() != grpc::StatusCode::UNAVAILABLE);
  COOPER_CHECK(answer.turns() <= expected.turns);
  if (expected.is_error || !expected.started) COOPER_CHECK(!status.ok());
  if (status.ok()) COOPER_CHECK(answer.turns() == expected.turns);
  if (!expected.is_error && expected.started && !expected.is_uncertain) {
    COOPER_CHECK(status.ok());
  }
}

}  // namespace

void FuzzOne(absl::string_view bytes) {
  static auto* const service = new Service;
  static auto* const last_session = new std::string(rpc::DrawSessionId());
  using Buffer = grpc::ByteBuffer;
  static const grpc::internal::RpcMethod method(
      "/cooper.v1.SpatialReasoningService/Converse",
      grpc::internal::RpcMethod::BIDI_STREAMING);
  grpc::ClientContext context;
  const std::unique_ptr<grpc::ClientReaderWriter<Buffer, Buffer>> call(
      grpc::internal::ClientReaderWriterFactory<Buffer, Buffer>::Create(
          service->channel().get(), method, &context));
  Answer answer;
  std::thread reader([&] {
    for (Buffer event; call->Read(&event); event.Clear()) answer.Read(event);
    answer.End();
  });
  Expectation expected;
  std::vector<absl::string_view> lines = absl::StrSplit(bytes, '\n');
  if (lines.size() > kMaxActions) lines.resize(kMaxActions);
  for (absl::string_view line : lines) {
    if (line.empty()) continue;
    const char action = line[0];
    line.remove_prefix(1);
    absl::ConsumePrefix(&line, " ");
    if (action == 'w') {
      answer.AwaitTurns(expected.turns);
    } else if (action == 'x') {
      expected.is_uncertain = true;
      context.TryCancel();
    } else if (auto message = MessageOf(action, line, *last_session)) {
      if (!expected.is_error) expected.Add(*message, service);
      if (!call->Write(*message)) break;  // the call has ended
    }
  }
  call->WritesDone();
  reader.join();
  CheckEnd(call->Finish(), answer, expected);
  if (!answer.session_id().empty()) *last_session = answer.session_id();
  service->CheckAtRest();
}

}  // namespace cooper::fuzz
