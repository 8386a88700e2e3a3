// What a task of a pool throws ends its request with INTERNAL, and nothing
// else.
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <pthread.h>

#include <atomic>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "model/fake/fake_model.h"
#include "server/engine/core/error.h"
#include "server/engine/engine.h"
#include "server/metrics/server_metrics.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

// Throws once, as memory may run out anywhere, when it is asked the nth time on
// the threads of a pool.
class ThrowingClock final : public base::Clock {
 public:
  ThrowingClock(std::string thread, int nth)
      : thread_(std::move(thread)), left_(nth) {}

  absl::Time Now() const override {
    std::string name(16, '\0');
    pthread_getname_np(pthread_self(), name.data(), name.size());
    if (name.c_str() == thread_ && --left_ == 0) throw std::bad_alloc();
    return absl::UnixEpoch();
  }

 private:
  const std::string thread_;
  mutable std::atomic<int> left_;
};

// Of two equal requests the first one meets the exception.
void ExpectOneEnds(const std::string& thread, int nth, const Request& request) {
  fake::FakeModel model(SmallScript());
  prometheus::Registry registry;
  metrics::ServerMetrics metrics(&registry);
  ThrowingClock clock(thread, nth);
  EngineOptions options;
  options.max_queue_bytes = request.input_bytes();  // no more than one request
  Engine engine(&model, &metrics, &clock, options);
  for (const bool first : {true, false}) {
    auto recorded = std::make_shared<Recorded>();
    ASSERT_OK(
        engine.Submit(request, std::make_unique<RecordingSink>(recorded)));
    const absl::Status status = recorded->WaitDone();
    if (first) {
      EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
      EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kEngine);
    } else {
      EXPECT_OK(status);
    }
  }
  EXPECT_TRUE(engine.healthy());
}

TEST(EngineExceptionTest, WhilePreparing) {
  // The first look at the clock is the pool's own.
  ExpectOneEnds("prepare", 2, Question("a depth question"));
}

TEST(EngineExceptionTest, WhileEncodingAMap) {
  ExpectOneEnds("encode", 1, Question("a depth question"));
}

TEST(EngineExceptionTest, WhileEncodingAPreview) {
  Request request = Question("a depth question");
  request.output.preview_every = 1;
  ExpectOneEnds("encode", 1, request);
}

}  // namespace
}  // namespace cooper::engine
