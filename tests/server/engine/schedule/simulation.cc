#include "tests/server/engine/schedule/simulation.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "server/engine/memory/kv_budget.h"
#include "server/engine/schedule/admission.h"
#include "server/engine/schedule/starter.h"

namespace cooper::engine {
namespace {

constexpr int kBranches = 3;

// Pieces of work of one kind, one after another.
struct Stage {
  BatchKind kind;
  int count;
  int64_t rows;
};

std::vector<Stage> StagesOf(const TraceRequest& request) {
  std::vector<Stage> stages = {{BatchKind::kPrefill, 1, request.rows}};
  const int texts = request.tokens > 0 ? request.maps + 1 : 0;
  const auto write = [&](int text) {
    if (texts == 0) return;
    const int tokens =
        request.tokens / texts + (text == 0 ? request.tokens % texts : 0);
    if (tokens > 0) stages.push_back({BatchKind::kDecode, tokens, 1});
  };
  for (int map = 0; map < request.maps; ++map) {
    write(map);
    stages.push_back(
        {BatchKind::kDenoise, request.steps, request.map_rows * kBranches});
    stages.push_back({BatchKind::kVaeDecode, 1, 1});
    if (texts > 0) stages.push_back({BatchKind::kPrefill, 1, request.map_rows});
  }
  write(request.maps);
  return stages;
}

LeastWork LeastOf(const TraceRequest& request) {
  LeastWork work;
  work.prefill_rows = request.rows;
  work.decodes = request.tokens > 0 ? 1 : 0;
  // Of a question nobody knows what it will draw.
  if (request.tokens == 0 && request.maps > 0) {
    work.denoise_steps = request.maps * request.steps;
    work.denoise_rows = request.map_rows * kBranches;
    work.maps = request.maps;
  }
  return work;
}

LineEntry LineEntryOf(const TraceRequest& request) {
  LineEntry entry{request.client, request.priority};
  if (request.tokens > 0) {
    entry.work.work_class =
        request.maps > 0 ? WorkClass::kInterleaved : WorkClass::kText;
  } else {
    entry.work = {WorkClass::kDepth, static_cast<double>(request.steps)};
  }
  return entry;
}

int64_t KvDemandOf(const TraceRequest& request) {
  return request.rows + request.tokens + request.maps * request.map_rows;
}

// A pool whose requests share nothing.
model::ModelInfo PoolOf(int64_t tokens) {
  model::ModelInfo info;
  info.kv_capacity_tokens = tokens;
  info.kv_bytes_per_token = 1;
  return info;
}

class Simulation {
 public:
  Simulation(const Trace& trace, const SimulatedDevice& device)
      : trace_(trace),
        device_(device),
        scheduler_(device.budgets),
        admission_({.max_open = std::numeric_limits<int>::max(),
                    .max_bytes = 1,
                    .max_running = device.max_running,
                    .max_delay = device.max_delay}),
        kv_(PoolOf(device.kv_tokens), {0, 0, absl::ZeroDuration()}),
        // As a server's with a prefix cache.
        starter_({.prefix_caching = true}) {
    report_.ends.resize(trace.size());
    for (const TraceRequest& request : trace) {
      requests_.push_back({LeastOf(request), StagesOf(request)});
      ++open_of_[request.client];
    }
  }

  SimulationReport Run() {
    while (arrived_ < trace_.size() || !open_.empty()) {
      Arrive();
      EndCancelled();
      Start();
      if (RunBatch()) continue;
      if (!open_.empty()) ++report_.idle_with_work;
      if (arrived_ == trace_.size()) break;
      now_ = std::max(now_, trace_[arrived_].at);
    }
    report_.kv_left = kv_.capacity_tokens() - kv_.free_tokens();
    return std::move(report_);
  }

 private:
  struct Running {
    LeastWork least;
    std::vector<Stage> stages;
    size_t stage = 0;
    int done = 0;  // of the stage
    bool started = false;
    bool in_batch = false;  // under way
    absl::Duration waiting_since = absl::ZeroDuration();
    absl::Duration stage_began = absl::ZeroDuration();
  };

  // A batch that goes slice by slice.
  struct Sliced {
    std::vector<int> requests;
    int64_t rows = 0;  // that it began with
    absl::Duration took, left;
  };

  absl::Time Clock() const { return absl::UnixEpoch() + now_; }

  void Arrive() {
    for (; arrived_ < trace_.size() && trace_[arrived_].at <= now_;
         ++arrived_) {
      const TraceRequest& request = trace_[arrived_];
      if (!admission_
               .Admit({LineEntryOf(request), /*bytes=*/0, DeadlineOf(request)},
                      Clock())
               .ok()) {
        report_.ends[arrived_] = {Outcome::kRefused};
        report_.ends[arrived_].ended = now_;
        CountEnd(request.client);
        continue;
      }
      open_.push_back(static_cast<int>(arrived_));
      starter_.Open(request.client);
    }
  }

  static absl::Time DeadlineOf(const TraceRequest& request) {
    return request.deadline.has_value()
               ? absl::UnixEpoch() + request.at + *request.deadline
               : absl::InfiniteFuture();
  }

  void CountEnd(const std::string& client) {
    if (--open_of_[client] == 0) all_have_work_ = false;
  }

  void End(int index, Outcome outcome) {
    report_.ends[index].outcome = outcome;
    report_.ends[index].ended = now_;
    const TraceRequest& request = trace_[index];
    if (requests_[index].started) {
      kv_.Release(KvDemandOf(request));
      --running_;
      admission_.Ran(LineEntryOf(request), now_ - report_.ends[index].started,
                     outcome == Outcome::kDone, Clock());
    } else {
      admission_.LeftLine(LineEntryOf(request));
    }
    admission_.Close(request.client);
    starter_.Close(request.client);
    CountEnd(request.client);
    std::erase(open_, index);
    for (auto& [kind, sliced] : under_way_) std::erase(sliced.requests, index);
    std::erase_if(under_way_,
                  [](const auto& w) { return w.second.requests.empty(); });
  }

  void EndCancelled() {
    for (const int index : std::vector<int>(open_)) {
      const TraceRequest& request = trace_[index];
      if (request.cancel.has_value() && request.at + *request.cancel <= now_) {
        End(index, Outcome::kCancelled);
        continue;
      }
      if (request.deadline.has_value() &&
          request.at + *request.deadline <= now_) {
        End(index, Outcome::kLate);
      } else if (!requests_[index].started &&
                 !starter_.CheckLate(Waiting(index), Clock()).ok()) {
        End(index, Outcome::kRefused);
      }
    }
  }

  WaitingRequest Waiting(int index) const {
    const TraceRequest& request = trace_[index];
    WaitingRequest waiting{request.priority, request.client,
                           absl::UnixEpoch() + request.at};
    waiting.deadline = DeadlineOf(request);
    waiting.least = &requests_[index].least;
    return waiting;
  }

  void Start() {
    while (running_ < device_.max_running) {
      std::vector<int> indices;
      std::vector<WaitingRequest> waiting;
      for (const int index : open_) {
        if (requests_[index].started) continue;
        indices.push_back(index);
        waiting.push_back(Waiting(index));
      }
      const std::optional<int> next = starter_.Next(waiting, Clock());
      if (!next.has_value()) return;
      const int index = indices[*next];
      const LineEntry entry = LineEntryOf(trace_[index]);
      if (!admission_.CheckStart(entry, DeadlineOf(trace_[index]), Clock())
               .ok()) {
        End(index, Outcome::kRefused);
        continue;
      }
      const int64_t tokens = KvDemandOf(trace_[index]);
      if (!kv_.Reserve(tokens, /*session=*/"")) {
        admission_.SetPlaces(running_);
        return;
      }
      admission_.SetPlaces(device_.max_running);
      admission_.Started(entry);
      ++running_;
      starter_.Started(trace_[index].priority);
      requests_[index].started = true;
      requests_[index].waiting_since = now_;
      report_.ends[index].started = now_;
    }
  }

  std::vector<ReadyItem> Ready() {
    std::vector<ReadyItem> ready;
    std::map<std::string, int> clients;
    for (const int index : open_) {
      const Running& request = requests_[index];
      if (!request.started || request.in_batch) continue;
      const Stage& stage = request.stages[request.stage];
      const auto client = clients.try_emplace(trace_[index].client,
                                              static_cast<int>(clients.size()));
      ready.push_back({index, stage.kind, stage.rows,
                       absl::UnixEpoch() + request.waiting_since,
                       trace_[index].priority == Priority::kLow ? -1 : 0,
                       client.first->second});
    }
    return ready;
  }

  bool RunBatch() {
    std::vector<BatchKind> under_way;
    under_way.reserve(under_way_.size());
    for (const auto& [kind, sliced] : under_way_) under_way.push_back(kind);
    const auto batch = scheduler_.Plan(Ready(), under_way);
    if (!batch.has_value()) return false;
    for (const int index : batch->requests) {
      SimulatedEnd& end = report_.ends[index];
      end.longest_wait =
          std::max(end.longest_wait, now_ - requests_[index].waiting_since);
    }
    if (batch->kind == BatchKind::kDecode) {
      Decode(batch->requests);
    } else {
      RunSlice(*batch);
    }
    return true;
  }

  int64_t Rows(const std::vector<int>& indices) const {
    int64_t rows = 0;
    for (const int i : indices) {
      rows += requests_[i].stages[requests_[i].stage].rows;
    }
    return rows;
  }

  void Pass(const std::vector<int>& indices, absl::Duration took) {
    now_ += took;
    report_.busy += took;
    const int64_t rows = Rows(indices);
    for (const int index : indices) {
      const Running& request = requests_[index];
      const absl::Duration share =
          took * request.stages[request.stage].rows / rows;
      report_.ends[index].device += share;
      starter_.Charge(trace_[index].client, share);
      if (all_have_work_) {
        report_.while_all_had_work[trace_[index].client] += share;
      }
    }
  }

  void Decode(const std::vector<int>& indices) {
    const auto count = static_cast<int64_t>(indices.size());
    const absl::Duration took =
        device_.decode_batch + device_.decode_row * count;
    starter_.costs().Observe(BatchKind::kDecode, count, took, Clock());
    Pass(indices, took);
    for (const int index : indices) Advance(index);
  }

  void RunSlice(const Batch& batch) {
    Sliced& sliced = under_way_[batch.kind];
    if (!batch.go_on) {
      sliced.requests = batch.requests;
      for (const int index : sliced.requests) requests_[index].in_batch = true;
      sliced.rows = Rows(sliced.requests);
      sliced.took = sliced.left = TimeOf(batch.kind, sliced.rows);
    }
    const absl::Duration took = std::min(sliced.left, device_.slice);
    sliced.left -= took;
    Pass(sliced.requests, took);
    if (sliced.left > absl::ZeroDuration()) return;
    starter_.costs().Observe(batch.kind, sliced.rows, sliced.took, Clock());
    const std::vector<int> done = std::move(sliced.requests);
    under_way_.erase(batch.kind);
    for (const int index : done) {
      requests_[index].in_batch = false;
      Advance(index);
    }
  }

  absl::Duration TimeOf(BatchKind kind, int64_t rows) const {
    switch (kind) {
      case BatchKind::kPrefill:
        return device_.prefill_batch + device_.append_row * rows;
      case BatchKind::kDenoise:
        return device_.denoise_step + device_.flow_row * rows;
      default:
        return device_.latents * rows;
    }
  }

  void Advance(int index) {
    Running& request = requests_[index];
    if (request.done == 0) request.stage_began = request.waiting_since;
    request.waiting_since = now_;
    const Stage& stage = request.stages[request.stage];
    if (++request.done < stage.count) {
      if (stage.kind == BatchKind::kDenoise &&
          !CheckPace(request.done, stage.count, now_ - request.stage_began,
                     DeadlineOf(trace_[index]) - Clock())
               .ok()) {
        End(index, Outcome::kLate);
      }
      return;
    }
    request.done = 0;
    if (++request.stage == request.stages.size()) End(index, Outcome::kDone);
  }

  const Trace& trace_;
  const SimulatedDevice device_;
  Scheduler scheduler_;
  Admission admission_;
  KvBudget kv_;
  Starter starter_;
  std::vector<Running> requests_;
  std::vector<int> open_;  // arrived, not ended; in the order of arrival
  size_t arrived_ = 0;
  int running_ = 0;
  absl::Duration now_;
  std::map<BatchKind, Sliced> under_way_;
  std::map<std::string, int> open_of_;  // not ended, arrived or not
  bool all_have_work_ = true;
  SimulationReport report_;
};

}  // namespace

SimulationReport Simulate(const Trace& trace, const SimulatedDevice& device) {
  return Simulation(trace, device).Run();
}

absl::Duration TimeAlone(const TraceRequest& request,
                         const SimulatedDevice& device) {
  const SimulationReport report = Simulate({[&] {
                                             TraceRequest alone = request;
                                             alone.at = absl::ZeroDuration();
                                             alone.deadline.reset();
                                             alone.cancel.reset();
                                             return alone;
                                           }()},
                                           device);
  return report.ends[0].ended;
}

}  // namespace cooper::engine
