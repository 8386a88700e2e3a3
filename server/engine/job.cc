#include "server/engine/job.h"

#include <exception>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/log_thread.h"
#include "base/logging.h"
#include "server/engine/core/end_status.h"
#include "server/engine/core/error.h"
#include "server/engine/execution/map_publisher.h"

namespace cooper::engine {
namespace {

BatchKind BatchOf(Execution::State state) {
  switch (state) {
    case Execution::State::kPrefill:
      return BatchKind::kPrefill;
    case Execution::State::kDenoiseStep:
      return BatchKind::kDenoise;
    case Execution::State::kVaeDecode:
      return BatchKind::kVaeDecode;
    default:
      return BatchKind::kDecode;
  }
}

}  // namespace

Job::Job(Request request, std::unique_ptr<EventSink> sink, Services services)
    : request_(std::move(request)),
      input_bytes_(request_.input_bytes()),
      admitted_(services.clock->Now()),
      services_(std::move(services)),
      events_(std::move(sink), [this] { services_.closed(this); }),
      waiting_since_(admitted_),
      trace_(request_.trace) {
  services_.counts->Add(state_);
}

Job::~Job() { services_.counts->Remove(state_); }

void Job::SetState(State state) {
  services_.counts->Move(state_, state);
  state_ = state;
}

void Job::OnTextDelta(TextDeltaEvent&& delta) {
  events_.Push(std::move(delta));
}

void Job::OnToken(int turn) {
  const absl::Time now = services_.clock->Now();
  if (first_token_ == absl::InfiniteFuture()) {
    first_token_ = now;
    services_.metrics->FirstToken(now - admitted_);
  }
  if (turn == last_token_turn_) services_.metrics->NextToken(now - last_token_);
  last_token_turn_ = turn;
  last_token_ = now;
}

void Job::OnMapStarted(MapStartedEvent&& started) {
  map_started_ = services_.clock->Now();
  map_kind_ = started.kind;
  events_.Push(std::move(started));
}

void Job::OnMapStep(int map_id, int step, int num_steps,
                    std::optional<image::FloatRgbImage>&& preview) {
  MapProgressEvent progress{map_id, step, num_steps, std::nullopt};
  // One preview at a time: where encoding cannot keep up, some are left out.
  if (!preview.has_value() || previews_under_way_ > 0) {
    events_.Push(std::move(progress));
    return;
  }
  ++previews_under_way_;
  const EventSequencer::Ticket ticket = events_.Reserve();
  PostEncode([this, ticket, kind = map_kind_, progress = std::move(progress),
              picture = *std::move(preview)]() mutable {
    const absl::Time start = services_.clock->Now();
    progress.preview_png = RenderPreview(kind, std::move(picture));
    OnPoolWork("encode_preview", start, services_.clock->Now());
    --previews_under_way_;
    std::vector<Event> filled;
    filled.emplace_back(std::move(progress));
    events_.Fill(ticket, std::move(filled));
  });
}

void Job::OnMapDrawn(const std::shared_ptr<const DrawnMap>& map) {
  services_.metrics->MapDrawn(KindOf(map->kind),
                              services_.clock->Now() - map_started_);
  const EventSequencer::Ticket ticket = events_.Reserve();
  PostEncode([this, ticket, map] {
    const absl::Time start = services_.clock->Now();
    absl::StatusOr<std::vector<Event>> rendered =
        RenderMapEvents(*map, request_.output);
    const absl::Time end = services_.clock->Now();
    services_.metrics->PhaseRun(Phase::kEncodeImage, end - start);
    OnPoolWork(PhaseName(Phase::kEncodeImage), start, end);
    if (rendered.ok()) {
      events_.Fill(ticket, *std::move(rendered));
    } else {
      services_.fail(shared_from_this(), rendered.status());
    }
  });
}

void Job::PostEncode(std::function<void()> work) {
  services_.encode_pool->Post(
      [self = shared_from_this(), work = std::move(work)] { work(); },
      [self = shared_from_this()](const std::exception& error) {
        self->services_.fail(self,
                             ErrorStatus(ErrorReason::kEngine, error.what()));
      });
}

void Job::OnPoolWork(absl::string_view span, absl::Time start, absl::Time end) {
  image_ns_ += absl::ToInt64Nanoseconds(end - start);
  trace_.Add(span, start, end);
}

// ---- States

WaitingRequest Job::waiting() const {
  return {request_.priority, request_.client, admitted_, request_.deadline,
          prepared_.has_value() ? &prepared_->least : nullptr};
}

Request* Job::Prepare() {
  SetState(State::kPreparing);
  return &request_;
}

void Job::Prepared(PreparedRequest prepared) {
  prepared_ = std::move(prepared);
  images_ = prepared_->images;
  prepared_for_ = absl::Nanoseconds(image_ns_.load());
  session_facts_ = prepared_->facts;
  SetState(State::kReady);
}

void Job::Start(model::UnifiedModel* model, SessionContexts contexts,
                PrefixCache* prefixes, const base::Digest& prefix_root,
                int64_t kv_tokens) {
  const absl::Time now = services_.clock->Now();
  kv_tokens_ = kv_tokens;
  started_ = now;
  waiting_since_ = now;
  usage_.queued = now - admitted_;
  services_.metrics->Queued(KindOf(request_.task), usage_.queued);
  trace_.Add("queue", admitted_, now);
  ExecutionSpec spec = std::move(prepared_->spec);
  prepared_.reset();
  spec.contexts = std::move(contexts);
  spec.noise = std::make_unique<model::SeededNoise>(request_.seed);
  spec.prefixes = prefixes;
  spec.prefix_root = prefix_root;
  SetState(State::kRunning);
  execution_ = std::make_unique<Execution>(model, std::move(spec), this);
}

void Job::End(const absl::Status& status) {
  const Phase phase = this->phase();
  if (state_ == State::kWaiting) request_.inputs.clear();
  prepared_.reset();
  Release();
  SetState(State::kEnded);
  const absl::Status with_phase = WithPhase(status, phase);
  if (events_.Abort(with_phase)) {
    end_ = with_phase;
    end_phase_ = phase;
    const absl::Time now = services_.clock->Now();
    services_.statistics->Failed(KindOf(request_.task), now - admitted_, now);
  }
}

void Job::GiveUp(const absl::Status& status) {
  if (!events_.Abort(status)) return;
  given_up_ = true;
  const absl::Time now = services_.clock->Now();
  services_.statistics->Failed(KindOf(request_.task), now - admitted_, now);
  base::Log(base::LogLevel::kError, "request ended",
            {{"request_id", request_.id},
             {"code", absl::StatusCodeToString(status.code())},
             {"reason", ReasonName(DetailsOf(status).reason)},
             {"total_s", absl::ToDoubleSeconds(now - admitted_)}});
}

void Job::ClaimSession(const SessionFacts& facts) {
  session_claimed_ = true;
  request_.session->facts = facts;
}

Phase Job::phase() const {
  switch (state_) {
    case State::kWaiting:
    case State::kPreparing:
    case State::kReady:
      return Phase::kQueue;
    case State::kClosing:
    case State::kEnded:
      return Phase::kWrite;
    case State::kRunning:
      break;
  }
  switch (execution_->last_phase()) {
    case Execution::State::kPrefill:
      return Phase::kPrefill;
    case Execution::State::kDecode:
      return Phase::kDecode;
    case Execution::State::kDenoiseStart:
    case Execution::State::kDenoiseStep:
      return Phase::kDenoise;
    default:
      return Phase::kVaeDecode;
  }
}

void Job::Release() {
  if (execution_ == nullptr) return;
  totals_ = execution_->totals();
  execution_.reset();
}

void Job::Finish() {
  totals_ = execution_->totals();
  finish_reason_ = execution_->finish().reason;
  services_.metrics->RequestTokens(totals_.input_tokens, totals_.output_tokens);
  services_.metrics->Finished(*finish_reason_);
  if (totals_.turns > 0) services_.metrics->Rounds(totals_.turns);
  usage_.input_tokens = totals_.input_tokens;
  usage_.cached_tokens = totals_.cached_tokens;
  usage_.output_tokens = totals_.output_tokens;
  usage_.maps = totals_.maps;
  usage_.denoise_steps = totals_.denoise_steps;
  const FinishWork& finish = execution_->finish();
  FinishedEvent finished{finish.reason, finish.answer, finish.answer_text,
                         finish.boxed, usage_};
  Release();
  SetState(State::kClosing);
  // The loop keeps the job until the event is sent.
  events_.Finish([this, finished = std::move(finished)]() mutable {
    finished.usage.image += absl::Nanoseconds(image_ns_.load());
    const absl::Time now = services_.clock->Now();
    finished.usage.total = now - admitted_;
    services_.statistics->Succeeded(KindOf(request_.task), finished.usage,
                                    prepared_for_, now);
    return std::move(finished);
  });
}

ReadyItem Job::ready() const {
  ReadyItem item;
  item.kind = BatchOf(execution_->state());
  item.waiting_since = waiting_since_;
  item.priority = request_.priority == Priority::kLow ? -1 : 0;
  if (item.kind == BatchKind::kPrefill) {
    item.rows = execution_->prefill_rows();
  } else if (item.kind == BatchKind::kDenoise) {
    item.rows = execution_->denoise_rows();
  }
  return item;
}

absl::Status Job::CheckPace(absl::Time now) const {
  if (execution_->state() != Execution::State::kDenoiseStep) {
    return absl::OkStatus();
  }
  const model::Denoiser& denoiser = *execution_->denoiser();
  return engine::CheckPace(denoiser.steps_done(), denoiser.steps_total(),
                           now - map_started_, request_.deadline - now);
}

void Job::OnBatch(Phase phase, absl::Time start, absl::Duration took,
                  absl::Duration share) {
  device_time_ += share;
  switch (phase) {
    case Phase::kPrefill:
      usage_.prefill += took;
      break;
    case Phase::kDecode:
      usage_.decode += took;
      break;
    case Phase::kDenoise:
      usage_.denoise += took;
      break;
    default:
      usage_.vae += took;
  }
  trace_.AddBatch(phase, start, start + took, share);
}

void Job::OnVaeEncoded(absl::Duration took) {
  usage_.prefill -= took;
  usage_.vae += took;
}

void Job::ReportEnd() {
  if (given_up_) return;
  const absl::Time now = services_.clock->Now();
  LogEnd(now);
  trace_.End(admitted_, now, end_,
             {{"cooper.request_id", request_.id},
              {"cooper.reason", EndReason()},
              {"cooper.images", int64_t{images_}},
              {"gen_ai.usage.input_tokens", totals_.input_tokens},
              {"cooper.cached_tokens", totals_.cached_tokens},
              {"gen_ai.usage.output_tokens", totals_.output_tokens},
              {"cooper.turns", int64_t{totals_.turns}},
              {"cooper.maps", int64_t{totals_.maps}},
              {"cooper.denoise_steps", int64_t{totals_.denoise_steps}}});
}

const char* Job::EndReason() const {
  if (!end_.ok()) return ReasonName(DetailsOf(end_).reason);
  return finish_reason_.has_value() ? FinishReasonName(*finish_reason_) : "";
}

void Job::LogEnd(absl::Time now) const {
  std::vector<base::LogField> fields = {
      {"request_id", request_.id},
      {"code", absl::StatusCodeToString(end_.code())},
      {"reason", EndReason()},
      {"phase", PhaseName(end_phase_)},
      {"input_bytes", input_bytes_},
      {"images", images_},
      {"tokens_in", totals_.input_tokens},
      {"tokens_cached", totals_.cached_tokens},
      {"tokens_out", totals_.output_tokens},
      {"turns", totals_.turns},
      {"maps", totals_.maps},
      {"steps", totals_.denoise_steps},
      {"queue_s", absl::ToDoubleSeconds(usage_.queued)},
      {"prefill_s", absl::ToDoubleSeconds(usage_.prefill)},
      {"decode_s", absl::ToDoubleSeconds(usage_.decode)},
      {"denoise_s", absl::ToDoubleSeconds(usage_.denoise)},
      {"total_s", absl::ToDoubleSeconds(now - admitted_)},
  };
  if (first_token_ != absl::InfiniteFuture()) {
    fields.emplace_back("ttft_s",
                        absl::ToDoubleSeconds(first_token_ - admitted_));
  }
  if (!request_.client.empty()) {
    fields.emplace_back("client", base::ShortDigest(request_.client));
  }
  if (!request_.trace_id.empty()) {
    fields.emplace_back("trace_id", request_.trace_id);
  }
  // One client can cause any number of requests that end before they start.
  if (!end_.ok() && end_phase_ == Phase::kQueue &&
      !base::AdmitSampled(absl::StrCat("request ended ", EndReason()))) {
    return;
  }
  base::Log(end_.code() == absl::StatusCode::kInternal ? base::LogLevel::kError
                                                       : base::LogLevel::kInfo,
            "request ended", fields);
}

}  // namespace cooper::engine
