#ifndef COOPER_SERVER_ENGINE_JOB_H_
#define COOPER_SERVER_ENGINE_JOB_H_

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/worker_pool.h"
#include "server/engine/core/request.h"
#include "server/engine/event_sequencer.h"
#include "server/engine/execution/execution.h"
#include "server/engine/execution/preparer.h"
#include "server/engine/job_state.h"
#include "server/engine/job_trace.h"
#include "server/engine/request_statistics.h"
#include "server/engine/schedule/scheduler.h"
#include "server/engine/schedule/starter.h"
#include "server/engine/schedule/waiting_line.h"
#include "server/metrics/server_metrics.h"

namespace cooper::engine {

// An admitted request, from Submit to its last event.
//
// Owned by the engine loop; a pool's task that works for it shares it. Belongs
// to the engine thread, except for what is said otherwise.
class Job final : public ExecutionObserver,
                  public std::enable_shared_from_this<Job> {
 public:
  using State = JobState;
  struct Services {
    metrics::ServerMetrics* metrics;
    const base::Clock* clock;
    base::WorkerPool* encode_pool;
    JobCounts* counts;
    RequestStatistics* statistics;
    // From any thread: ends the job with an error, soon.
    std::function<void(const std::shared_ptr<Job>&, absl::Status)> fail;
    // From any thread, once and last: the sink was told of the end.
    std::function<void(Job*)> closed;
  };

  // Call from any thread. The job is kWaiting.
  Job(Request request, std::unique_ptr<EventSink> sink, Services services);
  ~Job() override;

  void OnTextDelta(TextDeltaEvent&& delta) override;
  void OnToken(int turn) override;
  void OnMapStarted(MapStartedEvent&& started) override;
  void OnMapStep(int map_id, int step, int num_steps,
                 std::optional<image::FloatRgbImage>&& preview) override;
  void OnMapDrawn(const std::shared_ptr<const DrawnMap>& map) override;

  const Request& request() const { return request_; }
  int64_t input_bytes() const { return input_bytes_; }
  LineEntry line_entry() const { return LineEntryOf(request_); }
  EventSequencer& events() { return events_; }  // thread-safe
  State state() const { return state_; }
  // Not started yet.
  bool queued() const { return state_ <= State::kReady; }
  // Where the request is, for errors and logs.
  Phase phase() const;
  WaitingRequest waiting() const;                                 // queued()
  const PreparedRequest& prepared() const { return *prepared_; }  // kReady
  Execution* execution() { return execution_.get(); }             // kRunning

  // kWaiting -> kPreparing. The prepare pool may use the returned request, and
  // no other thread its inputs, until Prepared or End.
  Request* Prepare();
  // kPreparing -> kReady.
  void Prepared(PreparedRequest prepared);
  // kReady -> kRunning, with `kv_tokens` reserved. `contexts`: of its session;
  // `prefix_root`: whose prefixes it shares (RootPrefix).
  void Start(model::UnifiedModel* model, SessionContexts contexts,
             PrefixCache* prefixes, const base::Digest& prefix_root,
             int64_t kv_tokens);
  // kRunning -> kClosing: sends FinishedEvent once all else is sent.
  void Finish();
  // Any state -> kEnded. Gives back all that it holds, and tells the sink as
  // soon as no other thread is telling it something.
  void End(const absl::Status& status);
  // Any thread: tells the sink that this is the end, unless an end is on its
  // way, while the engine thread cannot. Changes nothing else.
  void GiveUp(const absl::Status& status);

  // The session that its turn has claimed; null: none.
  const SessionUse* claimed_session() const {
    return session_claimed_ ? &*request_.session : nullptr;
  }
  void ClaimSession(const SessionFacts& facts);
  void ForgetSession() { session_claimed_ = false; }
  // Of the session after this turn of it.
  const SessionFacts& session_facts() const { return session_facts_; }
  // What was reserved; it no longer is the job's.
  int64_t TakeKvTokens() { return std::exchange(kv_tokens_, 0); }

  // Its next piece of work; `request` and `client` are left out. kRunning, but
  // not kRender.
  ReadyItem ready() const;
  // Whether its map, if it is at one, can be done by its deadline.
  absl::Status CheckPace(absl::Time now) const;  // kRunning
  absl::Time started() const { return started_; }
  // That piece is ready since then.
  void WaitsSince(absl::Time time) { waiting_since_ = time; }
  // The job took part in a batch of the phase; `share` is its part of the time.
  void OnBatch(Phase phase, absl::Time start, absl::Duration took,
               absl::Duration share);
  // Of the prefill batches counted so far, the time that encoded its images.
  void OnVaeEncoded(absl::Duration took);
  absl::Duration TakeDeviceTime() {  // its share of batches since the last call
    return std::exchange(device_time_, absl::ZeroDuration());
  }
  // Work on pixels that a pool did for it. Any thread.
  void OnPoolWork(absl::string_view span, absl::Time start, absl::Time end);
  // One line about a request that ended, and its spans.
  void ReportEnd();

 private:
  void SetState(State state);
  void Release();  // what the execution holds; its totals stay
  // Runs `work` on the encode pool; if it throws, the job ends with INTERNAL.
  void PostEncode(std::function<void()> work);
  void LogEnd(absl::Time now) const;
  const char* EndReason() const;

  Request request_;  // constant, but for the inputs and its session's facts
  const int64_t input_bytes_;
  const absl::Time admitted_;
  absl::Time started_;
  const Services services_;
  EventSequencer events_;
  State state_ = State::kWaiting;
  std::optional<PreparedRequest> prepared_;
  std::unique_ptr<Execution> execution_;
  int64_t kv_tokens_ = 0;
  bool session_claimed_ = false;
  SessionFacts session_facts_;
  int images_ = 0;
  absl::Duration device_time_;
  absl::Time waiting_since_;
  Usage usage_;  // the times; the counts are filled in at the end
  absl::Status end_;
  Phase end_phase_ = Phase::kWrite;
  JobTrace trace_;
  absl::Time first_token_ = absl::InfiniteFuture();
  absl::Time last_token_;
  int last_token_turn_ = -1;
  absl::Time map_started_;
  model::MapKind map_kind_ = model::MapKind::kDepth;
  Execution::Totals totals_;
  std::optional<FinishReason> finish_reason_;
  std::atomic<bool> given_up_{false};  // its end is logged
  std::atomic<int64_t> image_ns_{0};
  absl::Duration prepared_for_;  // of that, until it was prepared
  std::atomic<int> previews_under_way_{0};
};

// Oldest first. A list, since a job's address stays.
using JobList = std::list<std::shared_ptr<Job>>;

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_JOB_H_
