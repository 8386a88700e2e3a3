#ifndef COOPER_MODEL_LOAD_PROGRESS_H_
#define COOPER_MODEL_LOAD_PROGRESS_H_

#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace cooper::model {

enum class LoadStage {
  kOpening,   // files are looked for and their headers checked
  kReading,   // weights
  kChecking,  // checksums, after all weights are read
  kWarmUp,
};
// "opening files", ...
const char* NameOf(LoadStage stage);

// How far the loading of a model is. Who loads reports, anyone asks.
// Thread-safe.
class LoadProgress {
 public:
  // `clock` must outlive this. Begins with kOpening.
  explicit LoadProgress(const base::Clock* clock);

  // `total_bytes` is the work of the stage; 0: not known.
  void Begin(LoadStage stage, int64_t total_bytes = 0)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Add(int64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);

  struct State {
    LoadStage stage = LoadStage::kOpening;
    int64_t done_bytes = 0;
    int64_t total_bytes = 0;  // 0: not known
    absl::Duration elapsed;   // since loading began
    absl::Duration in_stage;  // since the stage began

    // "reading weights, 42 %".
    std::string Description() const;
    // Of the stage, at the pace so far; where that is not known, as long as the
    // stage has taken.
    absl::Duration Remaining() const;
  };
  State state() const ABSL_LOCKS_EXCLUDED(mutex_);

  // When a client should ask again: Remaining(), in [1 s, 1 min].
  absl::Duration RetryAfter() const { return RetryAfter(state()); }
  static absl::Duration RetryAfter(const State& state);

 private:
  const base::Clock* const clock_;
  const absl::Time began_;
  mutable base::Mutex mutex_;
  LoadStage stage_ ABSL_GUARDED_BY(mutex_) = LoadStage::kOpening;
  absl::Time stage_began_ ABSL_GUARDED_BY(mutex_);
  int64_t done_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t total_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace cooper::model

#endif  // COOPER_MODEL_LOAD_PROGRESS_H_
