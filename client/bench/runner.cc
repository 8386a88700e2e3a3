#include "client/bench/runner.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "client/bench/event_recorder.h"

namespace cooper::client::bench {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(500);

}  // namespace

Runner::Runner(const RunOptions& options, const Workload& workload,
               const std::vector<std::unique_ptr<Client>>& clients,
               const CallOptions& call_options, Sink sink)
    : options_(options),
      workload_(workload),
      clients_(clients),
      call_options_(call_options),
      sink_(std::move(sink)),
      begin_(std::chrono::steady_clock::now()),
      schedule_(options, workload) {}

absl::Duration Runner::Elapsed() const {
  return absl::FromChrono(std::chrono::steady_clock::now() - begin_);
}

RunResult Runner::Run(const std::function<void(const RunState&)>& on_tick) {
  const int count = options_.max_running();
  {
    absl::MutexLock lock(&mutex_);
    workers_ = count;
  }
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) threads.emplace_back([this] { Work(); });
  for (;;) {
    RunState state;
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(
              absl::Condition(
                  +[](int* workers) { return *workers == 0; }, &workers_),
              kTick)) {
        break;
      }
      state = state_;
    }
    state.elapsed = Elapsed();
    state.running = outstanding_.running();
    on_tick(state);
  }
  for (std::thread& thread : threads) thread.join();
  RunResult result;
  absl::MutexLock lock(&mutex_);
  result.interrupted = stopped_at_.has_value();
  // In the open loop the last request may have ended well before the time.
  result.load_end = schedule_.time_is_up() ? options_.LoadEnd() : Elapsed();
  if (stopped_at_.has_value()) {
    result.load_end = std::min(result.load_end, *stopped_at_);
  }
  return result;
}

void Runner::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    if (!stopped_at_.has_value()) stopped_at_ = Elapsed();
  }
  outstanding_.Stop();
}

void Runner::Work() {
  while (!outstanding_.stopped()) {
    std::optional<Ticket> ticket;
    {
      absl::MutexLock lock(&mutex_);
      ticket = schedule_.Next(Elapsed());
    }
    if (!ticket.has_value()) break;
    const absl::Duration early = ticket->arrival - Elapsed();
    if (options_.open_loop() && early > absl::ZeroDuration() &&
        !outstanding_.Sleep(early)) {
      break;
    }
    RunOne(*ticket,
           /*delayed=*/options_.open_loop() && early <= absl::ZeroDuration());
  }
  absl::MutexLock lock(&mutex_);
  --workers_;
}

void Runner::RunOne(const Ticket& ticket, bool delayed) {
  const WorkItem& item = workload_.items[ticket.item];
  Client& client =
      *clients_[static_cast<size_t>(ticket.index) % clients_.size()];
  EventRecorder recorder(ticket, item.kind, Elapsed());
  const std::unique_ptr<EventStream> stream = item.Start(client, call_options_);
  const int64_t name = outstanding_.Add(stream.get(), ticket.cancel_after);
  Event event;
  while (stream->Next(&event)) recorder.Take(event, Elapsed());
  const absl::Duration end = Elapsed();
  const bool cancelled = outstanding_.Remove(name);
  Sample sample = recorder.Finish(stream->Finish(), end);
  sample.delayed = delayed;
  // A cancel that came too late changed nothing.
  if (sample.code == absl::StatusCode::kCancelled) {
    if (cancelled) {
      sample.outcome = Outcome::kCancelled;
    } else if (outstanding_.stopped()) {
      sample.outcome = Outcome::kInterrupted;
    }
  }
  // A caller of the closed loop obeys; arrivals of the open loop wait for none.
  if (sample.retry_delay.has_value() && !options_.open_loop()) {
    outstanding_.Sleep(std::min(*sample.retry_delay, options_.LoadEnd() - end));
    sample.waited = Elapsed() - end;
  }
  Keep(sample);
}

void Runner::Keep(const Sample& sample) {
  {
    absl::MutexLock lock(&mutex_);
    if (sample.outcome == Outcome::kOk) ++state_.ok;
    if (sample.outcome == Outcome::kFailed) ++state_.failed;
    if (sample.outcome == Outcome::kCancelled) ++state_.cancelled;
  }
  absl::MutexLock lock(&sink_mutex_);
  sink_(sample);
}

}  // namespace cooper::client::bench
