#ifndef COOPER_TESTS_SERVER_ENGINE_SCHEDULE_SIMULATION_H_
#define COOPER_TESTS_SERVER_ENGINE_SCHEDULE_SIMULATION_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/engine/schedule/scheduler.h"
#include "tests/server/engine/schedule/trace.h"

namespace cooper::engine {

// The device of a simulation: what batches take.
struct SimulatedDevice {
  absl::Duration prefill_batch = absl::Milliseconds(8);
  absl::Duration append_row = absl::Microseconds(40);
  absl::Duration decode_batch = absl::Milliseconds(12);
  absl::Duration decode_row = absl::Microseconds(200);
  absl::Duration denoise_step = absl::Milliseconds(10);
  absl::Duration flow_row = absl::Microseconds(20);
  absl::Duration latents = absl::Milliseconds(40);
  absl::Duration slice = absl::Milliseconds(50);
  int64_t kv_tokens = 200000;
  int max_running = 16;
  absl::Duration max_delay;  // Admission's; zero: no limit
  Budgets budgets;
};

// kRefused: without anything being run.
enum class Outcome { kOpen, kDone, kCancelled, kLate, kRefused };

// What became of a request; times from the trace's start.
struct SimulatedEnd {
  Outcome outcome = Outcome::kOpen;
  absl::Duration started = absl::InfiniteDuration();
  absl::Duration ended;
  absl::Duration longest_wait;  // for a batch, once it was started
  absl::Duration device;        // its share of batches
};

struct SimulationReport {
  std::vector<SimulatedEnd> ends;  // by the trace's requests
  absl::Duration busy;
  int idle_with_work = 0;  // turns: must be 0
  int64_t kv_left = 0;     // tokens held at the end: must be 0
  // Device time by client, up to when the first client had nothing open any
  // more (others may go on alone).
  std::map<std::string, absl::Duration> while_all_had_work;
};

// The requests of `trace` on a device, in virtual time, by the engine's own
// Admission, Starter, KvBudget and Scheduler.
SimulationReport Simulate(const Trace& trace, const SimulatedDevice& device);

// What `request` takes alone, at least.
absl::Duration TimeAlone(const TraceRequest& request,
                         const SimulatedDevice& device);

}  // namespace cooper::engine

#endif  // COOPER_TESTS_SERVER_ENGINE_SCHEDULE_SIMULATION_H_
