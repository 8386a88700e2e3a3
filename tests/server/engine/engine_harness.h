#ifndef COOPER_TESTS_SERVER_ENGINE_ENGINE_HARNESS_H_
#define COOPER_TESTS_SERVER_ENGINE_ENGINE_HARNESS_H_

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "model/fake/fake_model.h"
#include "server/engine/engine.h"
#include "server/metrics/server_metrics.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/testing/fake_clock.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {

// A model whose calls can be held: the engine thread stops at the next call of
// the kind, so that a test can act in the middle of it. Time passes only by
// the script's delays and by Advance.
class EngineHarness {
 public:
  using Call = fake::FakeFault::Call;
  using Record = fake::FakeModel::Record;

  explicit EngineHarness(fake::FakeScript script = SmallScript(),
                         EngineOptions options = {})
      : model_(std::move(script), Hooks()),
        engine_(
            std::make_unique<Engine>(&model_, &metrics_, &clock_, options)) {}
  ~EngineHarness() {
    ReleaseModel();
    engine_.reset();
    EXPECT_EQ(model_.live_contexts(), 0);
    EXPECT_EQ(model_.live_denoisers(), 0);
    EXPECT_EQ(model_.used_tokens(), 0);
  }

  Engine& engine() { return *engine_; }
  fake::FakeModel& model() { return model_; }
  testing::FakeClock& clock() { return clock_; }

  // Submits what must be admitted.
  std::shared_ptr<Recorded> Submit(Request request) {
    auto recorded = std::make_shared<Recorded>();
    EXPECT_OK(engine_->Submit(std::move(request),
                              std::make_unique<RecordingSink>(recorded)));
    return recorded;
  }

  // The engine thread stops at the `nth` call from now of the kind (any kind
  // if none is given).
  void HoldModel() {
    Hold([](const Record&) { return true; });
  }
  void HoldModelAt(Call call, int nth = 1) {
    Hold([call, nth](const Record& record) mutable {
      return record.call == call && --nth <= 0;
    });
  }
  void HoldWhere(std::function<bool(const Record&)> hold) {
    Hold(std::move(hold));
  }
  void AwaitHeld() ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&held_));
  }
  void ReleaseModel() ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    hold_ = nullptr;
    held_ = false;
  }

  // With the model held at every call: lets calls go one by one until the
  // requests submitted so far are in the queue or running as said. `images`
  // of them are prepared beforehand, while the model stands still.
  void AwaitLoad(int queued, int running, int images) {
    AwaitHeld();
    Step();  // the engine thread takes what was submitted
    while (ImagesPrepared() < images) std::this_thread::yield();
    while (engine_->load().queued != queued ||
           engine_->load().running != running) {
      // An image counts as prepared a little before the engine is told. The
      // calls that are left to hold may be few.
      absl::SleepFor(absl::Milliseconds(1));
      Step();
    }
  }
  // Lets the held call go and waits for the next one.
  void Step() {
    ReleaseOnce();
    AwaitHeld();
  }
  void ReleaseOnce() ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    held_ = false;
  }

  // The count of a histogram, or the value of a counter or gauge, of the
  // series whose first label has the value (any if empty).
  double Metric(const std::string& name, const std::string& label = "") const {
    double sum = 0;
    for (const auto& family : registry_.Collect()) {
      if (family.name != name) continue;
      for (const auto& metric : family.metric) {
        if (!label.empty() &&
            (metric.label.empty() || metric.label.front().value != label)) {
          continue;
        }
        sum += static_cast<double>(metric.histogram.sample_count) +
               metric.counter.value + metric.gauge.value;
      }
    }
    return sum;
  }
  int ImagesPrepared() const {
    return static_cast<int>(
        Metric("cooper_phase_duration_seconds", "decode_image"));
  }

  void AwaitLastStep(absl::Time time) {
    while (engine_->last_step() < time) {
      engine_->Wake();
      std::this_thread::yield();
    }
  }
  void ExpectNothingLeft() {
    while (engine_->load().queued + engine_->load().running > 0 ||
           Metric("cooper_kv_cache_bytes") > 0) {
      std::this_thread::yield();
    }
    EXPECT_EQ(model_.live_denoisers(), 0);
    EXPECT_EQ(static_cast<double>(model_.kv_usage().used_bytes),
              Metric("cooper_prefix_cache_bytes"));
  }

 private:
  fake::FakeModel::Hooks Hooks() {
    fake::FakeModel::Hooks hooks;
    hooks.record = true;
    hooks.sleep = [this](absl::Duration duration) { clock_.Advance(duration); };
    hooks.now = [this] { return clock_.Now(); };
    hooks.on_call = [this](const Record& record) { OnCall(record); };
    return hooks;
  }
  void Hold(std::function<bool(const Record&)> hold)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    hold_ = std::move(hold);
  }
  void OnCall(const Record& record) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    if (!hold_ || !hold_(record)) return;
    held_ = true;
    const auto released = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !held_;
    };
    mutex_.Await(absl::Condition(&released));
  }
  prometheus::Registry registry_;
  metrics::ServerMetrics metrics_{&registry_};
  testing::FakeClock clock_;
  base::Mutex mutex_;
  std::function<bool(const Record&)> hold_ ABSL_GUARDED_BY(mutex_);
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  fake::FakeModel model_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace cooper::engine

#endif  // COOPER_TESTS_SERVER_ENGINE_ENGINE_HARNESS_H_
