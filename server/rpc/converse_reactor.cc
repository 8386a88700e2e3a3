#include "server/rpc/converse_reactor.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "server/engine/core/end_status.h"
#include "server/engine/core/error.h"
#include "server/rpc/call_end.h"
#include "server/rpc/message.h"
#include "server/rpc/request_parser.h"
#include "server/rpc/session_id.h"

namespace cooper::rpc {
namespace {

// The place of a turn that ended so lately may not be free yet.
constexpr absl::Duration kHandover = absl::Seconds(1);

// Turns have deadlines of their own, the call has the caller's only.
StreamEnvironment WithoutDeadline(StreamEnvironment environment) {
  environment.max_deadline = absl::InfiniteDuration();
  return environment;
}

// An error of a field inside of `prefix`.
absl::Status Within(absl::string_view prefix, const absl::Status& status) {
  engine::ErrorDetails details = engine::DetailsOf(status);
  if (details.field.empty()) return status;
  details.field = absl::StrCat(prefix, details.field);
  return engine::MakeError(details, absl::StrCat(prefix, status.message()));
}

void NameFieldsWithin(absl::string_view prefix,
                      std::vector<engine::Input>* inputs) {
  for (engine::Input& input : *inputs) {
    if (auto* image = std::get_if<engine::ImageInput>(&input)) {
      image->field = absl::StrCat(prefix, image->field);
    }
  }
}

}  // namespace

ConverseReactor::ConverseReactor(const StreamEnvironment& environment,
                                 grpc::CallbackServerContext* context,
                                 const RpcLimits* limits)
    : EventStream(WithoutDeadline(environment), context,
                  engine::Method::kConverse),
      limits_(*limits),
      turn_timeout_(environment.max_deadline) {
  BeginWatch();
}

void ConverseReactor::Begin(const ServingState::Serving* serving,
                            std::string client) {
  serving_ = serving;
  client_ = std::move(client);
  base::MutexLock lock(&mutex_);
  begun_ = true;
  idle_since_ = environment().clock->Now();
  AdvanceIdleLocked(absl::OkStatus());
  ReadOnLocked();
}

bool ConverseReactor::StartNextWrite(EventWriter* writer) {
  v1::Event event;
  if (!writer->Next(&event)) return false;
  written_ = SerializeMessage(event);
  HoldLocked(written_.Length());
  StartWrite(&written_);
  return true;
}

EventStream::AfterUnlock ConverseReactor::StartFinish(
    const grpc::Status& status) {
  Finish(status);
  return nullptr;
}

void ConverseReactor::OnDone() {
  CallDone();
  delete this;
}

bool ConverseReactor::StaysOpenLocked() const { return !half_closed_; }

void ConverseReactor::NoteEventLocked(const engine::Event& event) {
  const auto* session = std::get_if<engine::SessionEvent>(&event);
  if (session == nullptr) return;
  // Zero: the context could not be kept, and the next turn is to learn it.
  if (session->kv_bytes > 0 || session->expires_after <= absl::ZeroDuration()) {
    has_context_ = true;
  }
}

void ConverseReactor::OnReadDone(bool ok) {
  absl::StatusOr<std::optional<engine::Request>> turn = std::nullopt;
  if (ok) {
    const absl::Status parsed = CatchAll([&] {
      turn = ParseTurn();
      return absl::OkStatus();
    });
    if (!parsed.ok()) turn = parsed;
  }
  std::optional<engine::Request> next;
  engine::Engine* const engine = serving_->engine;
  {
    base::MutexLock lock(&mutex_);
    read_in_flight_ = false;
    if (ended_locked()) return;
    if (!ok) {
      half_closed_ = true;
      if (turns_ == 0) FailLocked(engine::InvalidField("start", "required"));
      if (IdleLocked()) AdvanceIdleLocked(absl::OkStatus());
      return;
    }
    if (!turn.ok()) {
      FailLocked(turn.status());
    } else if (!turn->has_value()) {
      SteerLocked();
    } else if (!IdleLocked()) {
      waiting_bytes_ += (*turn)->input_bytes();
      waiting_.push_back(**std::move(turn));
    } else {
      next = *std::move(turn);
      next->session->follows =
          turns_ > 1 && environment().clock->Now() - idle_since_ < kHandover;
      PrepareTurnLocked(&*next);
      BeginLocked(*next, engine, serving_->info->name);
    }
    ReadOnLocked();
  }
  // What has begun keeps the stream alive; else it may be gone.
  if (next.has_value()) Submit(*std::move(next));
  engine->Wake();
}

absl::StatusOr<std::optional<engine::Request>> ConverseReactor::ParseTurn() {
  COOPER_RETURN_IF_ERROR(
      ParseMessage(received_, environment().message_limits, &read_message_));
  received_.Clear();
  const bool start = read_message_.has_start();
  if (start == template_.has_value()) {
    return engine::InvalidField(
        start ? "start" : "request",
        start ? "only once, as the first message" : "the first is `start`");
  }
  if (read_message_.request_case() == v1::ConverseRequest::REQUEST_NOT_SET) {
    return engine::InvalidField("request", "required: one of its fields");
  }
  if (!start && !read_message_.has_ask()) return std::nullopt;
  COOPER_RETURN_IF_ERROR(CheckMemory(environment()));
  COOPER_ASSIGN_OR_RETURN(engine::Request turn,
                          start ? ParseStart() : ParseAsk());
  ++turns_;
  read_message_.Clear();  // images are copied, and reads may pause
  return turn;
}

absl::StatusOr<engine::Request> ConverseReactor::ParseStart() {
  constexpr absl::string_view kPrefix = "start.reason.";
  const v1::ConverseStart& wire = read_message_.start();
  const RequestParser parser(serving_->info, &limits_,
                             &serving_->engine->options().image_limits,
                             environment().metrics);
  absl::StatusOr<engine::Request> parsed = parser.Parse(wire.reason());
  if (!parsed.ok()) return Within(kPrefix, parsed.status());
  NameFieldsWithin(kPrefix, &parsed->inputs);
  engine::Request turn = *std::move(parsed);
  turn.method = engine::Method::kConverse;
  turn.client = client_;
  turn.session.emplace();
  turn.session->resumed = !wire.session_id().empty();
  turn.session->id =
      turn.session->resumed ? wire.session_id() : DrawSessionId();
  std::vector<engine::Input> inputs = std::exchange(turn.inputs, {});
  template_ = turn;
  turn.inputs = std::move(inputs);
  return turn;
}

absl::StatusOr<engine::Request> ConverseReactor::ParseAsk() {
  constexpr absl::string_view kPrefix = "ask.";
  const RequestParser parser(serving_->info, &limits_,
                             &serving_->engine->options().image_limits,
                             environment().metrics);
  auto inputs = parser.ParseInputs(read_message_.ask().inputs());
  if (!inputs.ok()) return Within(kPrefix, inputs.status());
  NameFieldsWithin(kPrefix, &*inputs);
  engine::Request turn = *template_;
  turn.inputs = *std::move(inputs);
  turn.seed += turns_;
  turn.id = absl::StrCat(turn.id, "/", turns_);
  turn.cancel = std::make_shared<engine::CancelToken>();
  return turn;
}

void ConverseReactor::PrepareTurnLocked(engine::Request* turn) {
  // Turns that were cancelled before their inputs were encoded left nothing to
  // go on with: the next turn begins the session.
  if (has_context_) turn->session->resumed = true;
  turn->deadline =
      std::min(deadline().time(), environment().clock->Now() + turn_timeout_);
  steering_ = std::make_shared<engine::Steering>();
  steering_->no_more_maps = no_more_maps_;
  turn->steering = steering_;
}

void ConverseReactor::SteerLocked() {
  if (read_message_.has_no_more_maps()) no_more_maps_ = true;
  if (IdleLocked()) return;
  if (read_message_.has_no_more_maps()) steering_->no_more_maps = true;
  if (read_message_.has_answer_now()) steering_->answer_now = true;
  if (read_message_.has_cancel()) {
    turn_cancelled_ = true;
    CancelRequestLocked();
  }
}

void ConverseReactor::FailLocked(const absl::Status& status) {
  waiting_.clear();
  if (IdleLocked()) return AdvanceIdleLocked(status);
  failure_ = status;
  CancelRequestLocked();
}

std::optional<engine::Request> ConverseReactor::AfterRequestLocked(
    absl::Status* end) {
  const bool cancelled = std::exchange(turn_cancelled_, false);
  idle_since_ = environment().clock->Now();
  if (!failure_.ok()) *end = failure_;
  if (cancelled && failure_.ok() && !ended_locked()) {
    if (end->code() == absl::StatusCode::kCancelled) {
      PushLocked(engine::TurnCancelledEvent{});
      *end = absl::OkStatus();
    }
    ForgetCancelLocked();
  }
  if (!end->ok() || ended_locked() || waiting_.empty()) return std::nullopt;
  engine::Request next = std::move(waiting_.front());
  waiting_.pop_front();
  waiting_bytes_ -= next.input_bytes();
  next.session->follows = true;
  PrepareTurnLocked(&next);
  ReadOnLocked();
  return next;
}

void ConverseReactor::ReadOnLocked() {
  if (read_in_flight_ || half_closed_ || ended_locked() || !failure_.ok() ||
      waiting_.size() >= kMaxWaiting ||
      waiting_bytes_ >= limits_.max_message_bytes) {
    return;
  }
  read_in_flight_ = true;
  StartRead(&received_);
}

void ConverseReactor::OnTick(absl::Time now) {
  EventStream::OnTick(now);
  base::MutexLock lock(&mutex_);
  if (!begun_ || !IdleLocked()) return;
  const absl::Duration ttl = std::max(serving_->engine->options().session_ttl,
                                      environment().stall_timeout);
  if (serving_->engine->draining()) {
    AdvanceIdleLocked(engine::DrainingStatus());
  } else if (!serving_->engine->healthy()) {
    AdvanceIdleLocked(engine::ErrorStatus(engine::ErrorReason::kEngineFailed,
                                          "the engine failed"));
  } else if (deadline().time() <= now) {
    AdvanceIdleLocked(engine::LateStatus());
  } else if (now - idle_since_ > ttl) {
    AdvanceIdleLocked(
        engine::ErrorStatus(engine::ErrorReason::kSessionNotFound,
                            "no further question came; the session expired"));
  }
}

}  // namespace cooper::rpc
