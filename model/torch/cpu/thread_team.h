#ifndef COOPER_MODEL_TORCH_CPU_THREAD_TEAM_H_
#define COOPER_MODEL_TORCH_CPU_THREAD_TEAM_H_

#include <omp.h>

#include <atomic>
#include <cstdint>
#include <optional>

// Threads that go through several phases of a computation together, for work
// whose phases are too short to start threads anew for each. Sources that
// include this are compiled with -fopenmp.

namespace cooper::torch_model {

// Where all members wait for each other. They spin first, since a phase takes
// microseconds; a member that waits for longer sleeps, since the one it waits
// for may need its processor.
class TeamBarrier {
 public:
  explicit TeamBarrier(int members) : members_(members) {}

  // What members wrote before is seen by all after.
  void Wait() {
    const uint32_t round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == members_) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      round_.notify_all();
      return;
    }
    for (int spin = 0; spin < kSpins; ++spin) {
      if (round_.load(std::memory_order_acquire) != round) return;
      Pause();
    }
    round_.wait(round, std::memory_order_acquire);
  }

 private:
  // Some tens of microseconds.
  static constexpr int kSpins = 2000;

  static void Pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  const int members_;
  std::atomic<int> arrived_{0};
  std::atomic<uint32_t> round_{0};
};

// The tasks of one phase; members take the next one as they come.
class TaskCounter {
 public:
  int64_t Next() { return next_.fetch_add(1, std::memory_order_relaxed); }

 private:
  alignas(64) std::atomic<int64_t> next_{0};
};

// Runs work(member, barrier) on at most `threads` threads at once, members
// numbered from 0; returns when all are done. `work` must not throw.
template <typename Work>
void RunTeam(int threads, const Work& work) {
  if (threads <= 1) {
    TeamBarrier alone(1);
    work(0, alone);
    return;
  }
  std::optional<TeamBarrier> barrier;
#pragma omp parallel num_threads(threads)
  {
    // The runtime may give fewer threads than asked for.
#pragma omp single
    barrier.emplace(omp_get_num_threads());
    work(omp_get_thread_num(), *barrier);
  }
}

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_CPU_THREAD_TEAM_H_
