#ifndef COOPER_SERVER_ENGINE_JOB_H_
#define COOPER_SERVER_ENGINE_JOB_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/worker_pool.h"
#include "server/engine/core/request.h"
#include "server/engine/event_sequencer.h"
#include "server/engine/execution/execution.h"
#include "server/engine/execution/preparer.h"
#include "server/engine/job_trace.h"
#include "server/metrics/server_metrics.h"

namespace cooper::engine {

// An admitted request, from Submit to its last event.
//
// Owned by the engine loop; a pool's task that works for it shares it. All
// belongs to the engine thread but for what is said otherwise.
class Job final : public ExecutionObserver,
                  public std::enable_shared_from_this<Job> {
 public:
  enum class State {
    kWaiting,    // for its turn
    kPreparing,  // on the prepare pool
    kReady,      // waits for a place among the running and in the KV pool
    kRunning,    // has an Execution
    kClosing,    // done; its last events are still being made
    kEnded,      // was told of its end
  };
  struct Services {
    metrics::ServerMetrics* metrics;
    const base::Clock* clock;
    base::WorkerPool* encode_pool;
    // From any thread: ends the job with an error, soon.
    std::function<void(const std::shared_ptr<Job>&, absl::Status)> fail;
  };

  // `on_closed` as EventSequencer's. Call from any thread.
  Job(Request request, std::unique_ptr<EventSink> sink, Services services,
      std::function<void()> on_closed);

  void OnTextDelta(TextDeltaEvent&& delta) override;
  void OnToken(int turn) override;
  void OnMapStarted(MapStartedEvent&& started) override;
  void OnMapStep(int map_id, int step, int num_steps,
                 std::optional<image::FloatRgbImage>&& preview) override;
  void OnMapDrawn(const std::shared_ptr<const DrawnMap>& map) override;

  // Where the request is, for errors and logs.
  Phase phase() const;
  // Whether it was not started yet.
  bool queued() const {
    return state == State::kWaiting || state == State::kPreparing ||
           state == State::kReady;
  }
  // Its execution is finished: sends FinishedEvent once all else is sent.
  void Finish();
  // Gives back what the execution holds, and keeps its totals.
  void Release();
  // The job took part in a wave of the phase; `share` is its part of the time.
  void OnWave(Phase phase, absl::Time start, absl::Duration took,
              absl::Duration share);
  // One line about a request that ended, and its spans.
  void TellEnd();

  // Constant, but for the inputs, which the prepare pool takes.
  Request request;
  const int64_t input_bytes;
  const absl::Time admitted;
  const std::unique_ptr<EventSequencer> events;  // thread-safe

  State state = State::kWaiting;
  std::optional<PreparedRequest> prepared;  // kReady
  std::unique_ptr<Execution> execution;     // kRunning
  int64_t kv_tokens = 0;                    // reserved
  bool session_claimed = false;             // request.session's
  SessionFacts session_facts;               // after this turn
  int images = 0;
  absl::Duration device_time;  // its share of waves, not charged yet
  absl::Time waiting_since;    // its next piece of work is ready
  Usage usage;                 // the times; the counts are filled in at the end
  absl::Status end;            // why it ended
  Phase end_phase = Phase::kQueue;
  JobTrace trace;
  // Any thread.
  std::atomic<int64_t> codec_ns{0};

 private:
  void LogEnd(absl::Time now) const;
  const char* EndReason() const;

  const Services services_;
  absl::Time first_token_ = absl::InfiniteFuture();
  absl::Time last_token_;
  int last_token_turn_ = -1;
  absl::Time map_started_;
  model::MapKind map_kind_ = model::MapKind::kDepth;
  Execution::Totals totals_;
  std::optional<FinishReason> finish_reason_;
  std::atomic<int> previews_under_way_{0};
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_JOB_H_
