#include "server/engine/job.h"

#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "base/digest.h"
#include "base/logging.h"
#include "server/engine/core/error.h"
#include "server/engine/execution/map_publisher.h"

namespace cooper::engine {
Job::Job(Request request, std::unique_ptr<EventSink> sink, Services services,
         std::function<void()> on_closed)
    : request(std::move(request)),
      input_bytes(this->request.input_bytes()),
      admitted(services.clock->Now()),
      events(std::make_unique<EventSequencer>(std::move(sink),
                                              std::move(on_closed))),
      waiting_since(admitted),
      trace(this->request.trace),
      services_(std::move(services)) {}

void Job::OnTextDelta(TextDeltaEvent&& delta) {
  events->Push(std::move(delta));
}

void Job::OnToken(int turn) {
  const absl::Time now = services_.clock->Now();
  if (first_token_ == absl::InfiniteFuture()) {
    first_token_ = now;
    services_.metrics->FirstToken(now - admitted);
  }
  if (turn == last_token_turn_) services_.metrics->NextToken(now - last_token_);
  last_token_turn_ = turn;
  last_token_ = now;
}

void Job::OnMapStarted(MapStartedEvent&& started) {
  map_started_ = services_.clock->Now();
  map_kind_ = started.kind;
  events->Push(std::move(started));
}

void Job::OnMapStep(int map_id, int step, int num_steps,
                    std::optional<image::FloatRgbImage>&& preview) {
  MapProgressEvent progress{map_id, step, num_steps, std::nullopt};
  // One preview at a time: where encoding cannot keep up, some are left out.
  if (!preview.has_value() || previews_under_way_ > 0) {
    events->Push(std::move(progress));
    return;
  }
  ++previews_under_way_;
  const EventSequencer::Place place = events->Reserve();
  services_.encode_pool->Post([job = shared_from_this(), place,
                               kind = map_kind_, progress = std::move(progress),
                               picture = *std::move(preview)]() mutable {
    const absl::Time start = job->services_.clock->Now();
    progress.preview_png = RenderPreview(kind, std::move(picture));
    const absl::Time end = job->services_.clock->Now();
    job->codec_ns += absl::ToInt64Nanoseconds(end - start);
    job->trace.Add("encode_preview", start, end);
    --job->previews_under_way_;
    std::vector<Event> filled;
    filled.emplace_back(std::move(progress));
    job->events->Fill(place, std::move(filled));
  });
}

void Job::OnMapDrawn(const std::shared_ptr<const DrawnMap>& map) {
  services_.metrics->MapDrawn(KindOf(map->kind),
                              services_.clock->Now() - map_started_);
  const EventSequencer::Place place = events->Reserve();
  services_.encode_pool->Post([job = shared_from_this(), place, map] {
    const Services& services = job->services_;
    const absl::Time start = services.clock->Now();
    absl::StatusOr<std::vector<Event>> rendered =
        RenderMapEvents(*map, job->request.output);
    const absl::Duration took = services.clock->Now() - start;
    job->codec_ns += absl::ToInt64Nanoseconds(took);
    services.metrics->PhaseRun(Phase::kEncodeImage, took);
    job->trace.Add(PhaseName(Phase::kEncodeImage), start, start + took);
    if (rendered.ok()) {
      job->events->Fill(place, *std::move(rendered));
    } else {
      services.fail(job, rendered.status());
    }
  });
}

Phase Job::phase() const {
  switch (state) {
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
  switch (execution->last_phase()) {
    case Execution::State::kAppend:
      return Phase::kPrefill;
    case Execution::State::kDecode:
      return Phase::kDecode;
    case Execution::State::kFlowStart:
    case Execution::State::kFlowStep:
      return Phase::kDenoise;
    default:
      return Phase::kVaeDecode;
  }
}

void Job::Release() {
  if (execution == nullptr) return;
  totals_ = execution->totals();
  execution.reset();
}

void Job::Finish() {
  totals_ = execution->totals();
  finish_reason_ = execution->finish().reason;
  services_.metrics->RequestTokens(totals_.input_tokens, totals_.output_tokens);
  services_.metrics->Finished(*finish_reason_);
  if (totals_.turns > 0) services_.metrics->Rounds(totals_.turns);
  usage.input_tokens = totals_.input_tokens;
  usage.cached_tokens = totals_.cached_tokens;
  usage.output_tokens = totals_.output_tokens;
  usage.maps = totals_.maps;
  usage.flow_steps = totals_.flow_steps;
  const FinishWork& finish = execution->finish();
  FinishedEvent finished{finish.reason, finish.answer, finish.answer_text,
                         finish.boxed, usage};
  Release();
  state = State::kClosing;
  // The loop keeps the job until the event is sent.
  events->Finish([this, finished = std::move(finished)]() mutable {
    finished.usage.codec += absl::Nanoseconds(codec_ns.load());
    finished.usage.total = services_.clock->Now() - admitted;
    return std::move(finished);
  });
}

void Job::OnWave(Phase phase, absl::Time start, absl::Duration took,
                 absl::Duration share) {
  device_time += share;
  switch (phase) {
    case Phase::kPrefill:
      usage.prefill += took;
      break;
    case Phase::kDecode:
      usage.decode += took;
      break;
    case Phase::kDenoise:
      usage.flow += took;
      break;
    default:
      usage.codec += took;
  }
  trace.AddWave(phase, start, start + took, share);
}

void Job::TellEnd() {
  const absl::Time now = services_.clock->Now();
  LogEnd(now);
  trace.End(admitted, now, end,
            {{"cooper.request_id", request.id},
             {"cooper.reason", EndReason()},
             {"cooper.images", int64_t{images}},
             {"gen_ai.usage.input_tokens", totals_.input_tokens},
             {"cooper.cached_tokens", totals_.cached_tokens},
             {"gen_ai.usage.output_tokens", totals_.output_tokens},
             {"cooper.turns", int64_t{totals_.turns}},
             {"cooper.maps", int64_t{totals_.maps}},
             {"cooper.flow_steps", int64_t{totals_.flow_steps}}});
}

const char* Job::EndReason() const {
  if (!end.ok()) return ReasonName(DetailsOf(end).reason);
  return finish_reason_.has_value() ? FinishReasonName(*finish_reason_) : "";
}

void Job::LogEnd(absl::Time now) const {
  std::vector<base::LogField> fields = {
      {"request_id", request.id},
      {"code", absl::StatusCodeToString(end.code())},
      {"reason", EndReason()},
      {"phase", PhaseName(end_phase)},
      {"input_bytes", input_bytes},
      {"images", images},
      {"tokens_in", totals_.input_tokens},
      {"tokens_cached", totals_.cached_tokens},
      {"tokens_out", totals_.output_tokens},
      {"turns", totals_.turns},
      {"maps", totals_.maps},
      {"steps", totals_.flow_steps},
      {"queue_s", absl::ToDoubleSeconds(usage.queued)},
      {"prefill_s", absl::ToDoubleSeconds(usage.prefill)},
      {"decode_s", absl::ToDoubleSeconds(usage.decode)},
      {"flow_s", absl::ToDoubleSeconds(usage.flow)},
      {"total_s", absl::ToDoubleSeconds(now - admitted)},
  };
  if (first_token_ != absl::InfiniteFuture()) {
    fields.emplace_back("ttft_s",
                        absl::ToDoubleSeconds(first_token_ - admitted));
  }
  if (!request.client.empty()) {
    const base::Digest name = base::Hasher().Add(request.client).Finish();
    fields.emplace_back("client",
                        absl::BytesToHexString(absl::string_view(
                            reinterpret_cast<const char*>(name.data()), 8)));
  }
  if (!request.trace_id.empty()) {
    fields.emplace_back("trace_id", request.trace_id);
  }
  base::Log(end.code() == absl::StatusCode::kInternal ? base::LogLevel::kError
                                                      : base::LogLevel::kInfo,
            "request ended", fields);
}

}  // namespace cooper::engine
