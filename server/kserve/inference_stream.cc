#include "server/kserve/inference_stream.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/engine/core/end_status.h"
#include "server/engine/core/error.h"
#include "server/rpc/call_deadline.h"
#include "server/rpc/message.h"
#include "server/rpc/status.h"

namespace cooper::kserve {
namespace {

// Every response of a stream says whether it is its request's last one.
constexpr char kFinalParameter[] = "triton_final_response";

absl::Status IdleStatus() {
  engine::ErrorDetails details;
  details.reason = engine::ErrorReason::kDeadline;
  return engine::MakeError(
      details, "no request is under way on the stream, and its time is over");
}

}  // namespace

bool StreamedInference::StartNextWrite(rpc::EventWriter* writer) {
  const engine::Event* event = writer->TakeEvent();
  if (event == nullptr) return false;
  *message_.mutable_infer_response() = answer_.header();
  if (!answer_.reply().Take(*event, message_.mutable_infer_response())) {
    return false;
  }
  SetFinal(false);
  HoldLocked(written_.Length());
  stream_.Write(shared_from_this(), /*last=*/false);
  return true;
}

// Also makes the message's bytes.
void StreamedInference::SetFinal(bool is_final) {
  auto& parameters = *message_.mutable_infer_response()->mutable_parameters();
  parameters[kFinalParameter].set_bool_param(is_final);
  written_ = rpc::SerializeMessage(message_);
}

rpc::EventStream::AfterUnlock StreamedInference::StartFinish(
    const grpc::Status& status) {
  auto* response = message_.mutable_infer_response();
  *response = answer_.header();
  if (status.ok()) {
    answer_.reply().Finish(response);
  } else {
    // The stream has no other place for the code.
    const auto code = static_cast<absl::StatusCode>(status.error_code());
    message_.set_error_message(absl::StrCat(absl::StatusCodeToString(code),
                                            ": ", status.error_message()));
  }
  SetFinal(true);
  // The stream gives the call up, which takes the call's lock.
  const bool write =
      !status.ok() || !response->outputs().empty() || answer_.empty_final();
  return [self = shared_from_this(), write] {
    if (write) {
      self->stream_.Write(self, /*last=*/true);
    } else {
      self->stream_.Remove(self);
    }
  };
}

InferenceStream::InferenceStream(Options options, rpc::CallContext* context)
    : options_(std::move(options)),
      context_(context),
      deadline_(rpc::CallDeadline(rpc::WireDeadline(context->raw_deadline()),
                                  *options_.environment.clock,
                                  absl::InfiniteDuration())
                    .time()) {
  options_.environment.stalls->Add(this);
}

void InferenceStream::Start() {
  base::MutexLock lock(&mutex_);
  idle_since_ = options_.environment.clock->Now();
  AdvanceLocked();
}

void InferenceStream::OnReadDone(bool ok) {
  {
    base::MutexLock lock(&mutex_);
    reads_done_ = reads_done_ || !ok;
    if (!ok || cancelled_ || finished_) {
      reading_ = false;
      AdvanceLocked();
      return;
    }
  }
  // Made without the lock, which comes after the watch's. Still reading_, so
  // that nothing is read over the request.
  BeginRequest(std::make_shared<StreamedInference>(options_.environment,
                                                   context_, this));
}

void InferenceStream::BeginRequest(
    const std::shared_ptr<StreamedInference>& call) {
  {
    base::MutexLock lock(&mutex_);
    calls_.insert(call);
    beginning_ = call.get();
  }
  options_.begin(request_, call.get());
  bool cancelled = false;
  {
    base::MutexLock lock(&mutex_);
    cancelled = cancelled_;
    beginning_ = nullptr;
    reading_ = false;
    request_.Clear();
    AdvanceLocked();
  }
  // A cancel that came meanwhile has left it out. The stream is still there:
  // this reaction is under way.
  if (cancelled) call->CallCancelled();
}

void InferenceStream::Write(std::shared_ptr<StreamedInference> call,
                            bool last) {
  base::MutexLock lock(&mutex_);
  waiting_.push_back({std::move(call), last});
  if (waiting_.size() == 1) StartNextWriteLocked();
}

void InferenceStream::StartNextWriteLocked() {
  write_started_ = options_.environment.clock->Now();
  StartWrite(&waiting_.front().call->written());
}

void InferenceStream::OnWriteDone(bool ok) {
  Waiting written;
  {
    base::MutexLock lock(&mutex_);
    written = std::move(waiting_.front());
    waiting_.pop_front();
    if (!waiting_.empty()) StartNextWriteLocked();
  }
  if (written.last) {
    Remove(written.call);
  } else {
    written.call->WriteDone(ok);
  }
}

void InferenceStream::Remove(const std::shared_ptr<StreamedInference>& call) {
  call->CallDone();
  base::MutexLock lock(&mutex_);
  calls_.erase(call);
  idle_since_ = options_.environment.clock->Now();
  AdvanceLocked();
}

void InferenceStream::OnCancel() {
  std::vector<std::shared_ptr<StreamedInference>> calls;
  {
    base::MutexLock lock(&mutex_);
    cancelled_ = true;
    // A call that the engine does not know yet could not be told.
    for (const auto& call : calls_) {
      if (call.get() != beginning_) calls.push_back(call);
    }
  }
  for (const auto& call : calls) call->CallCancelled();
  base::MutexLock lock(&mutex_);
  AdvanceLocked();
}

void InferenceStream::OnTick(absl::Time now) {
  base::MutexLock lock(&mutex_);
  const absl::Duration limit = options_.environment.stall_timeout;
  // Calls that still run watch their own writes; this is for ended ones.
  if (!waiting_.empty() && waiting_.front().last && !aborted_ &&
      now - write_started_ > limit) {
    aborted_ = true;
    options_.environment.metrics->StreamStalled();
    context_->TryCancel();
  }
  expired_ = calls_.empty() &&
             (now - idle_since_ > options_.environment.max_deadline ||
              now >= deadline_);
  AdvanceLocked();
}

void InferenceStream::AdvanceLocked() {
  if (finished_ || beginning_ != nullptr) return;
  const bool ends =
      cancelled_ || reads_done_ || expired_ || options_.closing->load();
  if (!ends) {
    if (reading_ || calls_.size() >= kMaxOutstanding) return;
    reading_ = true;
    StartRead(&request_);
  } else if (calls_.empty()) {
    finished_ = true;
    Finish(cancelled_    ? grpc::Status::CANCELLED
           : reads_done_ ? grpc::Status::OK
           : expired_    ? rpc::ToGrpcStatus(IdleStatus())
                         : rpc::ToGrpcStatus(engine::DrainingStatus()));
  }
}

void InferenceStream::OnDone() {
  options_.environment.stalls->Remove(this);
  // Whoever called Finish may still hold it.
  {
    base::MutexLock lock(&mutex_);
  }
  delete this;
}

}  // namespace cooper::kserve
