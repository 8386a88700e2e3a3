#include "server/engine/engine_loop.h"

#include <algorithm>
#include <exception>
#include <map>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "server/engine/core/end_status.h"

namespace cooper::engine {
namespace {

constexpr absl::Duration kGpuMemoryPeriod = absl::Seconds(1);

BatchKind KindOf(Execution::State state) {
  switch (state) {
    case Execution::State::kAppend:
      return BatchKind::kPrefill;
    case Execution::State::kFlowStep:
      return BatchKind::kDenoise;
    case Execution::State::kLatents:
      return BatchKind::kVaeDecode;
    default:
      return BatchKind::kDecode;
  }
}

// The cache's part of the pool.
int64_t PrefixCacheTokens(const EngineOptions& options,
                          const model::ModelInfo& info) {
  if (options.prefix_cache_bytes < 0) return info.kv_capacity_tokens / 4;
  if (info.kv_bytes_per_token <= 0) return 0;
  return options.prefix_cache_bytes / info.kv_bytes_per_token;
}

int64_t SessionTokens(const EngineOptions& options,
                      const model::ModelInfo& info) {
  if (options.session_bytes < 0) return info.kv_capacity_tokens / 4;
  if (info.kv_bytes_per_token <= 0) return 0;
  return options.session_bytes / info.kv_bytes_per_token;
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
      preparer_(model, metrics, clock, options.image_limits),
      scheduler_({options.append_tokens, options.flow_tokens}),
      runner_(model, metrics, clock, &costs_),
      ledger_(model->info().kv_capacity_tokens, model->info().kv_page_tokens),
      prefixes_(&ledger_, PrefixCacheTokens(options, model->info())),
      sessions_(&ledger_, options.session_ttl,
                SessionTokens(options, model->info())),
      last_step_ns_(absl::ToUnixNanos(clock->Now())),
      prepare_pool_(std::make_unique<base::WorkerPool>(
          "prepare", options.prepare_threads)),
      encode_pool_(
          std::make_unique<base::WorkerPool>("encode", options.encode_threads)),
      thread_(thread != nullptr
                  ? std::move(thread)
                  : std::make_unique<base::WorkerPool>("engine", 1)) {
  PublishGpuMemory();
  thread_->Post([this] { Run(); });
}

EngineLoop::~EngineLoop() {
  stop_ = true;
  inbox_.Wake();
  thread_.reset();
}

// ---- From other threads

void EngineLoop::Add(Request request, std::unique_ptr<EventSink> sink) {
  // The closing of a job is the last thing that is heard of it, so its pointer
  // is good until the engine thread erases it.
  const auto self = std::make_shared<Job*>(nullptr);
  auto job = std::make_shared<Job>(
      std::move(request), std::move(sink),
      Job::Services{metrics_, clock_, encode_pool_.get(),
                    [this](const std::shared_ptr<Job>& failed,
                           const absl::Status& status) {
                      inbox_.Post([this, failed, status] {
                        End(failed.get(), status);
                      });
                    }},
      [this, self] {
        // Closed on the engine thread, so that the load which it publishes
        // after this turn no longer counts the request.
        inbox_.Post([this, job = *self] {
          admission_->Close(clock_->Now(), job->request.client);
          Erase(job);
        });
      });
  *self = job.get();
  inbox_.Post([this, job = std::move(job)]() mutable {
    Job* added = job.get();
    jobs_.push_back(std::move(job));
    fair_.Open(added->request.client);
    added->events->Push(StartedEvent{added->request.id, added->request.seed});
    if (!failure_.ok()) return End(added, failure_);
    if (added->request.session.has_value()) ClaimSession(added);
  });
}

void EngineLoop::EndAll() {
  inbox_.Post([this] {
    for (const std::shared_ptr<Job>& job : jobs_)
      End(job.get(), DrainingStatus());
  });
}

Engine::Load EngineLoop::load() const {
  const int running = running_;
  return {std::max(0, admission_->open() - running - closing_), running};
}

absl::Time EngineLoop::last_step() const {
  return absl::FromUnixNanos(last_step_ns_);
}

// ---- The engine thread

void EngineLoop::Run() {
  while (true) {
    for (Inbox::Task& task : inbox_.Take()) tasks_.push_back(std::move(task));
    const absl::StatusOr<bool> ran = GuardedTurn();
    if (!ran.ok()) FailAll(ran.status());
    PublishLoad();
    PublishGpuMemory();
    const absl::Time now = clock_->Now();
    last_step_ns_ = absl::ToUnixNanos(now);
    metrics_->SetEngineLastStep(absl::Now());
    if (!ran.ok() || *ran) continue;
    if (stop_) break;
    inbox_.WaitFor(UntilNextDeadline(now));
  }
  for (const Inbox::Task& task : inbox_.Take()) task();
  prefixes_.Clear();  // here: contexts are this thread's
  sessions_.Clear();
}

absl::StatusOr<bool> EngineLoop::GuardedTurn() {
  try {
    return Turn();
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat("exception: ", e.what()));
  }
}

absl::StatusOr<bool> EngineLoop::Turn() {
  const absl::Time now = clock_->Now();
  // First, so that a request ends in the phase in which it was told to.
  EndCancelled(now);
  while (!tasks_.empty()) {
    const Inbox::Task task = std::move(tasks_.front());
    tasks_.pop_front();  // first: it may throw, the others must be done
    task();
  }
  if (!failure_.ok()) return false;
  COOPER_RETURN_IF_ERROR(std::exchange(task_status_, absl::OkStatus()));
  sessions_.Expire(now);
  StartPreparing(now);
  COOPER_RETURN_IF_ERROR(StartRunning(now));
  return RunWave();
}

absl::StatusOr<bool> EngineLoop::RunWave() {
  const std::vector<BatchKind> under_way = runner_.under_way();
  if (!absl::c_linear_search(under_way, BatchKind::kPrefill)) {
    prefixes_.EndWave();
  }
  std::vector<Job*> running;
  std::vector<ReadyItem> ready;
  std::map<absl::string_view, int> clients;
  for (const std::shared_ptr<Job>& job : jobs_) {
    if (job->state != Job::State::kRunning ||
        job->execution->state() == Execution::State::kRender ||
        runner_.Holds(job.get())) {
      continue;
    }
    ReadyItem item;
    item.request = static_cast<int>(running.size());
    item.kind = KindOf(job->execution->state());
    item.waiting_since = job->waiting_since;
    item.priority = job->request.priority == Priority::kLow ? -1 : 0;
    item.client =
        clients
            .try_emplace(job->request.client, static_cast<int>(clients.size()))
            .first->second;
    if (item.kind == BatchKind::kPrefill) {
      item.rows = job->execution->append_rows();
    } else if (item.kind == BatchKind::kDenoise) {
      item.rows = job->execution->flow_rows();
    }
    ready.push_back(item);
    running.push_back(job.get());
  }
  const std::optional<Wave> wave = scheduler_.Plan(std::move(ready), under_way);
  if (!wave.has_value()) return false;
  std::vector<Job*> jobs;
  for (const int request : wave->requests) jobs.push_back(running[request]);
  if (wave->kind == BatchKind::kDecode) {
    COOPER_RETURN_IF_ERROR(runner_.Decode(jobs));
  } else {
    std::vector<Job*> done;
    if (!wave->go_on) COOPER_RETURN_IF_ERROR(Begin(*wave, jobs, &done));
    COOPER_RETURN_IF_ERROR(runner_.RunSlice(wave->kind, options_.slice, &done));
    jobs = std::move(done);
  }
  ChargeClients();
  const absl::Time now = clock_->Now();
  for (Job* job : jobs) {
    job->waiting_since = now;
    COOPER_RETURN_IF_ERROR(Settle(job));
  }
  return true;
}

absl::Status EngineLoop::Begin(const Wave& wave, absl::Span<Job* const> jobs,
                               std::vector<Job*>* done) {
  switch (wave.kind) {
    case BatchKind::kPrefill:
      return runner_.BeginAppend(jobs, wave.max_rows, done);
    case BatchKind::kDenoise:
      return runner_.BeginFlow(jobs, done);
    default:
      return runner_.BeginLatents(jobs.front(), done);
  }
}

void EngineLoop::ChargeClients() {
  for (const std::shared_ptr<Job>& job : jobs_) {
    fair_.Charge(job->request.client,
                 std::exchange(job->device_time, absl::ZeroDuration()));
  }
}

// Once more where memory runs out, as batches are (WaveRunner).
absl::Status EngineLoop::StartFlow(Job* job) {
  absl::Status status = job->execution->StartFlow();
  if (!absl::IsResourceExhausted(status)) return status;
  metrics_->RetriedAlone(BatchKind::kDenoise);
  status = job->execution->StartFlow();
  if (!absl::IsResourceExhausted(status)) return status;
  job->execution->Fail(GpuMemoryStatus());
  return absl::OkStatus();
}

absl::Status EngineLoop::Settle(Job* job) {
  while (true) {
    switch (job->execution->state()) {
      case Execution::State::kFlowStart:
        COOPER_RETURN_IF_ERROR(StartFlow(job));
        break;
      case Execution::State::kRender:
        Render(job);
        return absl::OkStatus();
      case Execution::State::kFinished:
        job->end_phase = Phase::kWrite;
        LeaveTurn(job, job->execution->TakeKept());
        ++closing_;
        job->Finish();
        return absl::OkStatus();
      case Execution::State::kFailed: {
        const absl::Status status = job->execution->status();
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

void EngineLoop::PublishLoad() {
  const Engine::Load now = load();
  metrics_->SetLoad(now.queued, now.running);
  const model::KvUsage kv = model_->kv_usage();
  const KvLedger::Split split =
      ledger_.SplitUsed(kv.used_bytes, model_->info().kv_bytes_per_token);
  metrics_->SetKv(split.requests, kv.capacity_bytes);
  metrics_->SetPrefixCacheBytes(split.prefix_cache);
  PublishSessions(split.sessions);
  const PrefixCache::Counts counts = prefixes_.TakeCounts();
  metrics_->PrefixCacheUsed(counts.queried_tokens, counts.hit_tokens,
                            counts.evictions);
}

// Asking a GPU takes longer than a turn should.
void EngineLoop::PublishGpuMemory() {
  const absl::Time now = clock_->Now();
  if (now < gpu_memory_due_) return;
  gpu_memory_due_ = now + kGpuMemoryPeriod;
  const std::optional<model::GpuMemory> memory = model_->gpu_memory();
  if (!memory.has_value()) return;
  metrics_->SetGpuMemory(memory->allocated_bytes, memory->reserved_bytes,
                         memory->free_bytes);
}

absl::Duration EngineLoop::UntilNextDeadline(absl::Time now) const {
  absl::Time next = sessions_.next_expiry();
  for (const std::shared_ptr<Job>& job : jobs_) {
    if (job->state == Job::State::kEnded) continue;
    next = std::min(next, job->request.deadline);
    if (job->queued()) next = std::min(next, QueueDeadline(*job));
  }
  return std::max(next - now, absl::ZeroDuration());
}

}  // namespace cooper::engine
