#include "server/engine/engine_loop.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "server/engine/core/end_status.h"
#include "server/engine/memory/prefix_key.h"
#include "server/engine/ready_jobs.h"

namespace cooper::engine {
namespace {

absl::Status FailedStatus() {
  return ErrorStatus(ErrorReason::kEngineFailed, "the engine failed",
                     absl::Seconds(1));
}

}  // namespace

EngineLoop::EngineLoop(model::UnifiedModel* model,
                       metrics::ServerMetrics* metrics,
                       const base::Clock* clock, const EngineOptions& options,
                       Admission* admission,
                       std::unique_ptr<base::WorkerPool> thread)
    : model_(model),
      metrics_(metrics),
      clock_(clock),
      options_(options),
      admission_(admission),
      kv_(model->info(), {options.prefix_cache_bytes, options.session_bytes,
                          options.session_ttl}),
      starter_({options.queue_timeout, kv_.prefixes() != nullptr}),
      scheduler_({options.prefill_tokens, options.denoise_tokens}),
      runner_(model, metrics, clock, &starter_.costs()),
      waiting_(
          &jobs_, &starter_, admission, metrics, clock,
          [this](Job* job, const absl::Status& status) { End(job, status); }),
      reporter_(model, metrics),
      last_step_ns_(absl::ToUnixNanos(clock->Now())),
      prepare_pool_(std::make_unique<PreparePool>(
          Preparer(model, metrics, clock, options.image_limits,
                   options.decode_bytes),
          clock, admission, &inbox_, options.prepare_threads)),
      encode_pool_(
          std::make_unique<base::WorkerPool>("encode", options.encode_threads)),
      thread_(thread != nullptr
                  ? std::move(thread)
                  : std::make_unique<base::WorkerPool>("engine", 1)) {
  metrics_->SetEngineUp(true);
  reporter_.Report(load(), &kv_, clock_->Now());
  thread_->Post([this] { Run(); });
}

EngineLoop::~EngineLoop() {
  stop_ = true;
  inbox_.Wake();
  thread_.reset();
}

// ---- From other threads

void EngineLoop::Add(Request request, std::unique_ptr<EventSink> sink) {
  Job::Services services{metrics_, clock_, encode_pool_.get(), &counts_,
                         &statistics_};
  services.fail = [this](const std::shared_ptr<Job>& job,
                         const absl::Status& status) {
    inbox_.Post([this, job, status] { End(job.get(), status); });
  };
  // On the engine thread, so that the load which it publishes after this
  // iteration no longer counts the request.
  services.closed = [this](Job* job) {
    inbox_.Post([=, this] { Close(job); });
  };
  const EngineLoad before = load();
  // Until now there was nothing to do.
  if (before.queued + before.running == 0) {
    last_step_ns_ = absl::ToUnixNanos(clock_->Now());
  }
  const auto job = std::make_shared<Job>(std::move(request), std::move(sink),
                                         std::move(services));
  {
    base::MutexLock lock(&open_mutex_);
    open_.emplace(job.get(), job);
  }
  inbox_.Post([this, job] { Opened(job); });
  // It may have come too late for GiveUp to see it.
  if (admission_->given_up()) job->GiveUp(FailedStatus());
}

void EngineLoop::EndAll() {
  inbox_.Post([this] {
    for (const auto& job : jobs_) End(job.get(), DrainingStatus());
  });
}

void EngineLoop::GiveUp() {
  if (admission_->given_up()) return;
  admission_->GiveUp();
  metrics_->SetEngineUp(false);
  std::vector<std::shared_ptr<Job>> open;
  {
    base::MutexLock lock(&open_mutex_);
    for (const auto& [key, job] : open_) open.push_back(job.lock());
  }
  base::Log(base::LogLevel::kError, "engine hangs",
            {{"running", load().running},
             {"queued", load().queued},
             {"seconds", absl::ToDoubleSeconds(clock_->Now() - last_step())}});
  // If the thread returns after all, it runs nothing more. Posted before the
  // jobs are told, whose closing follows.
  inbox_.Post([this] { FailAll(absl::InternalError("it was given up")); });
  // No request will hold anything any more; the thread does not say so. Before
  // callers can look.
  metrics_->SetLoad(0, 0);
  metrics_->SetKv(
      0, model_->info().kv_capacity_tokens * model_->info().kv_bytes_per_token);
  for (const auto& job : open) {
    if (job != nullptr) job->GiveUp(FailedStatus());
  }
}

// ---- The engine thread

void EngineLoop::Run() {
  while (true) {
    for (Inbox::Task& task : inbox_.Take()) tasks_.push_back(std::move(task));
    const absl::StatusOr<bool> ran = GuardedRunOnce();
    if (!ran.ok()) FailAll(ran.status());
    const absl::Time now = clock_->Now();
    reporter_.Report(load(), &kv_, now);
    last_step_ns_ = absl::ToUnixNanos(now);
    metrics_->SetEngineLastStep(absl::Now());
    if (!ran.ok() || *ran) continue;
    if (stop_) break;
    inbox_.WaitFor(UntilNextDeadline(now));
  }
  for (const Inbox::Task& task : inbox_.Take()) task();
  kv_.Clear();  // here: contexts are this thread's
}

absl::StatusOr<bool> EngineLoop::GuardedRunOnce() {
  try {
    return RunOnce();
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat("exception: ", e.what()));
  }
}

absl::StatusOr<bool> EngineLoop::RunOnce() {
  const absl::Time now = clock_->Now();
  // First, so that a request ends in the phase in which it was told to.
  waiting_.EndCancelled(now);
  while (!tasks_.empty()) {
    const Inbox::Task task = std::move(tasks_.front());
    tasks_.pop_front();  // first: it may throw, the others must be done
    task();
  }
  if (!failure_.ok()) return false;
  COOPER_RETURN_IF_ERROR(std::exchange(task_status_, absl::OkStatus()));
  waiting_.EndEvicted(now);
  kv_.sessions().Expire(now);
  StartPreparing(now);
  waiting_.RefuseLate(now);
  COOPER_RETURN_IF_ERROR(StartRunning(now));
  return RunBatch();
}

// ---- Which jobs start

// Images are decoded for as many requests as can start soon, so that the
// pixels of a long queue are not all in memory.
void EngineLoop::StartPreparing(absl::Time now) {
  const int most = options_.max_running + options_.prepare_threads;
  while (prepare_pool_->preparing() + counts_.of(Job::State::kReady) +
             counts_.of(Job::State::kRunning) <
         most) {
    Job* job = waiting_.Next(Job::State::kWaiting, now);
    if (job == nullptr) return;
    prepare_pool_->Prepare(job, [this, job](auto prepared) {
      OnPrepared(job, std::move(prepared));
    });
  }
}

absl::Status EngineLoop::StartRunning(absl::Time now) {
  while (counts_.of(Job::State::kRunning) < options_.max_running) {
    Job* job = waiting_.Next(Job::State::kReady, now);
    if (job == nullptr) return absl::OkStatus();
    const SessionUse* claimed = job->claimed_session();
    SessionContexts contexts;
    if (claimed != nullptr && kv_.sessions().HeldBy(claimed->id) == 0) {
      End(job, ErrorStatus(ErrorReason::kSessionNotFound,
                           "the session was dropped while the turn waited"));
      continue;
    }
    const int64_t tokens = SizeOf(*job).kv_tokens;
    const auto& session = job->request().session;
    if (!kv_.Reserve(tokens, session.has_value() ? session->id : "")) {
      admission_->SetPlaces(counts_.of(Job::State::kRunning));
      return absl::OkStatus();
    }
    admission_->SetPlaces(options_.max_running);
    admission_->Started(job->line_entry());
    starter_.Started(job->request().priority);
    if (claimed != nullptr) contexts = *kv_.sessions().Begin(claimed->id);
    job->Start(
        model_, std::move(contexts), kv_.prefixes(),
        RootPrefix(options_.prefixes_by_client ? job->request().client : ""),
        tokens);
    COOPER_RETURN_IF_ERROR(Advance(job));
  }
  return absl::OkStatus();
}

RequestSize EngineLoop::SizeOf(const Job& job) const {
  // What is kept of a conversation are two forks more.
  const int contexts = kBranches + (job.request().session.has_value() ? 2 : 0);
  const PreparedRequest& prepared = job.prepared();
  return {kv_.WithPages(prepared.kv_tokens, contexts),
          prepared.least_positions};
}

// ---- A job's way

void EngineLoop::Opened(const std::shared_ptr<Job>& job) {
  jobs_.push_back(job);
  const Request& request = job->request();
  starter_.Open(request.client);
  job->events().Push(StartedEvent{request.id, request.seed});
  if (!failure_.ok()) return End(job.get(), failure_);
  if (request.session.has_value()) ClaimSession(job.get());
}

// As soon as the turn comes, so that a wrong id is reported at once, and no
// other turn begins while this one waits.
void EngineLoop::ClaimSession(Job* job) {
  const SessionUse& session = *job->request().session;
  int64_t held = 0;
  if (session.resumed) {
    const absl::StatusOr<SessionFacts> facts =
        kv_.sessions().Claim(session.id, job->request().client);
    if (!facts.ok()) return End(job, facts.status());
    job->ClaimSession(*facts);
    if (facts->mode != std::get<ReasonTask>(job->request().task).mode) {
      return End(job, InvalidField("mode", "must be the session's own"));
    }
    held = kv_.sessions().HeldBy(session.id);
  }
  job->events().Push(SessionEvent{session.id, kv_.sessions().ttl(),
                                  held * model_->info().kv_bytes_per_token});
}

void EngineLoop::OnPrepared(Job* job,
                            absl::StatusOr<PreparedRequest> prepared) {
  if (job->state() != Job::State::kPreparing) return;  // ended meanwhile
  if (!prepared.ok()) return End(job, prepared.status());
  job->Prepared(*std::move(prepared));
  const absl::Status fits = CheckSize(SizeOf(*job), job->claimed_session(), kv_,
                                      model_->info().max_positions);
  if (!fits.ok()) End(job, fits);
}

absl::Status EngineLoop::Advance(Job* job) {
  while (true) {
    switch (job->execution()->state()) {
      case Execution::State::kDenoiseStart:
        COOPER_RETURN_IF_ERROR(runner_.StartDenoise(job));
        break;
      case Execution::State::kRender:
        prepare_pool_->Render(
            job, [this, job](const auto& map) { OnRendered(job, map); });
        return absl::OkStatus();
      case Execution::State::kFinished:
        LeaveRunning(job, job->execution()->TakeKept(), /*finished=*/true);
        job->Finish();
        return absl::OkStatus();
      case Execution::State::kFailed: {
        const absl::Status status = job->execution()->status();
        if (DetailsOf(status).reason == ErrorReason::kNumeric) {
          metrics_->NonFinite();
        }
        End(job, status);
        return absl::OkStatus();
      }
      default:
        return absl::OkStatus();
    }
  }
}

void EngineLoop::OnRendered(
    Job* job, const absl::StatusOr<std::shared_ptr<const DrawnMap>>& map) {
  if (job->state() != Job::State::kRunning) return;  // ended meanwhile
  if (!map.ok()) return End(job, map.status());
  job->WaitsSince(clock_->Now());
  job->execution()->OnRendered(*map);
  task_status_.Update(Advance(job));
}

// Contexts and the place among the running are given back at once.
void EngineLoop::End(Job* job, const absl::Status& status) {
  if (job->state() == Job::State::kEnded) return;
  if (job->queued()) admission_->LeftLine(job->line_entry());
  if (job->state() == Job::State::kWaiting) {
    admission_->FreeBytes(job->input_bytes());
  } else if (job->state() == Job::State::kRunning) {
    runner_.Drop(job);
    LeaveRunning(job, job->execution()->TakeKept(), /*finished=*/false);
  }
  const SessionUse* claimed = job->claimed_session();
  if (claimed != nullptr) {
    job->ForgetSession();
    kv_.sessions().Release(claimed->id, clock_->Now());
  }
  job->End(status);
}

void EngineLoop::LeaveRunning(Job* job, SessionContexts contexts,
                              bool finished) {
  const absl::Time now = clock_->Now();
  admission_->Ran(job->line_entry(), now - job->started(), finished, now);
  const int64_t reserved = job->TakeKvTokens();
  const Request& request = job->request();
  if (!request.session.has_value() || contexts.cond == nullptr) {
    return kv_.Release(reserved);
  }
  const int64_t held =
      kv_.ReleaseAndKeep(reserved, *request.session, request.client,
                         job->session_facts(), std::move(contexts), now);
  job->ForgetSession();
  job->events().Push(
      SessionEvent{request.session->id,
                   held > 0 ? kv_.sessions().ttl() : absl::ZeroDuration(),
                   held * model_->info().kv_bytes_per_token});
}

void EngineLoop::Close(Job* job) {
  admission_->Close(job->request().client);
  job->ReportEnd();
  starter_.Close(job->request().client);
  {
    base::MutexLock lock(&open_mutex_);
    open_.erase(job);
  }
  jobs_.remove_if([job](const auto& other) { return other.get() == job; });
}

void EngineLoop::FailAll(const absl::Status& cause) {
  base::Log(base::LogLevel::kError, "engine failed",
            {{"cause", base::Printable(cause.message(), 500)}});
  failure_ = FailedStatus();
  admission_->Fail();
  metrics_->SetEngineUp(false);
  runner_.Abandon();
  for (const auto& job : jobs_) End(job.get(), failure_);
}

// ---- Batches

absl::StatusOr<bool> EngineLoop::RunBatch() {
  const std::vector<BatchKind> under_way = runner_.under_way();
  if (!absl::c_linear_search(under_way, BatchKind::kPrefill)) kv_.EndBatch();
  const int64_t max_part =
      starter_.MaxPrefillPart(options_.prefill_tokens, clock_->Now());
  const ReadyJobs ready = ReadyJobsOf(jobs_, runner_, max_part);
  // Twice: what is short has room beside long texts.
  const std::optional<Batch> batch =
      scheduler_.Plan(ready.items, under_way, 2 * max_part);
  if (!batch.has_value()) return false;
  std::vector<Job*> jobs;
  for (const int request : batch->requests) jobs.push_back(ready.jobs[request]);
  if (batch->kind == BatchKind::kDecode) {
    COOPER_RETURN_IF_ERROR(runner_.Decode(jobs));
  } else {
    std::vector<Job*> done;
    if (!batch->go_on) {
      COOPER_RETURN_IF_ERROR(
          runner_.Begin(batch->kind, jobs, batch->max_rows, &done));
    }
    COOPER_RETURN_IF_ERROR(
        runner_.RunSlice(batch->kind, options_.slice, &done));
    jobs = std::move(done);
  }
  for (const auto& job : jobs_) {
    starter_.Charge(job->request().client, job->TakeDeviceTime());
  }
  const absl::Time now = clock_->Now();
  for (Job* job : jobs) {
    job->WaitsSince(now);
    COOPER_RETURN_IF_ERROR(Advance(job));
    if (job->state() != Job::State::kRunning) continue;
    absl::Status in_time = job->CheckPace(now);
    const int64_t rows = job->execution()->prefill_part_rows_left();
    if (in_time.ok() && rows > 0) {
      in_time = starter_.CheckPrefill(rows, job->request().deadline - now, now);
    }
    if (!in_time.ok()) End(job, in_time);
  }
  return true;
}

absl::Duration EngineLoop::UntilNextDeadline(absl::Time now) const {
  absl::Time next = kv_.sessions().next_expiry();
  for (const auto& job : jobs_) {
    if (job->state() == Job::State::kEnded) continue;
    next = std::min(next, job->request().deadline);
    if (job->queued()) {
      next = std::min(next, starter_.QueueDeadline(job->waiting().admitted));
    }
  }
  return std::max(next - now, absl::ZeroDuration());
}

}  // namespace cooper::engine
