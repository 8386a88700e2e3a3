#include "tests/server/engine/batch_independence.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "model/image/codec.h"
#include "server/engine/engine.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

constexpr int kRequests = 8;
constexpr int kRounds = 3;  // with cancels

// Maps of 32-bit values, so that they can be compared closely.
Request Mixed(int i) {
  Request request = Question(
      i == 0 ? "a both question" : absl::StrCat("a depth question ", i),
      /*num_timesteps=*/3 + i % 3);
  request.max_think_tokens = 16 + 24 * (i % 2) + 100 * (i == 0 ? 1 : 0);
  request.seed = 100 + i;
  request.output.roles = {MapRole::kValues};
  request.output.depth_encoding = MapEncoding::kRawFloat32;
  // Some share an image, some do not.
  request.inputs[0] =
      ImageInput{TestPng(64 + 16 * (i % 3), 64, i % 3), "inputs[0].image"};
  switch (i) {
    case 2:
      request.task = ReasonTask{Mode::kTextOnly, 3};
      break;
    case 3:
      request.task = ReasonTask{Mode::kPerceiveThenAnswer, 3};
      break;
    case 4:
    case 5:
      request.task = MapTask{i == 4 ? model::MapKind::kDepth
                                    : model::MapKind::kSegmentation};
      request.inputs.pop_back();
      break;
    case 6:
      request.task = GenerateTask{.think = true, .size = {64, 64}};
      request.inputs.erase(request.inputs.begin());
      break;
    case 7:
      request.sampling.do_sample = true;
      request.task = ReasonTask{Mode::kTextOnly, 3};
      break;
    default:
      break;
  }
  return request;
}

// Cancels its request after some events.
class CancellingSink final : public EventSink {
 public:
  CancellingSink(std::shared_ptr<Recorded> recorded,
                 std::shared_ptr<CancelToken> cancel, Engine* engine,
                 int events)
      : recorded_(std::move(recorded)),
        cancel_(std::move(cancel)),
        engine_(engine),
        left_(events) {}
  void OnEvent(Event event) override {
    recorded_->Add(std::move(event));
    if (--left_ > 0) return;
    cancel_->Cancel(CancelCause::kClient);
    engine_->Wake();
  }
  void OnDone(const absl::Status& status) override { recorded_->Done(status); }

 private:
  std::shared_ptr<Recorded> recorded_;
  std::shared_ptr<CancelToken> cancel_;
  Engine* engine_;
  int left_;
};

std::string TextOf(const Recorded& recorded) {
  std::string text;
  for (const auto& delta : recorded.All<TextDeltaEvent>()) {
    absl::StrAppend(&text, delta.turn, ":", static_cast<int>(delta.channel),
                    ":", delta.text, "\n");
  }
  for (const auto& finished : recorded.All<FinishedEvent>()) {
    absl::StrAppend(&text, static_cast<int>(finished.reason), " ",
                    finished.answer, " ", finished.usage.output_tokens);
  }
  return text;
}

void ExpectSameMap(const MapEvent& a, const MapEvent& b,
                   MapTolerance tolerance) {
  ASSERT_EQ(a.kind, b.kind);
  ASSERT_EQ(a.encoding, b.encoding);
  ASSERT_EQ(a.size, b.size);
  if (tolerance.values == 0 && tolerance.levels == 0) {
    EXPECT_EQ(*a.data == *b.data, true);
    return;
  }
  double largest = 0;
  if (a.encoding == MapEncoding::kRawFloat32) {
    ASSERT_EQ(a.data->size(), b.data->size());
    for (size_t i = 0; i < a.data->size(); i += sizeof(float)) {
      float x = 0;
      float y = 0;
      std::memcpy(&x, a.data->data() + i, sizeof(x));
      std::memcpy(&y, b.data->data() + i, sizeof(y));
      largest = std::max(largest, static_cast<double>(std::abs(x - y)));
    }
    EXPECT_LE(largest, tolerance.values);
    return;
  }
  const auto x = image::DecodeImage(*a.data, {});
  const auto y = image::DecodeImage(*b.data, {});
  ASSERT_OK(x.status());
  ASSERT_OK(y.status());
  ASSERT_EQ(x->pixels.size(), y->pixels.size());
  for (size_t i = 0; i < x->pixels.size(); ++i) {
    largest = std::max<double>(largest, std::abs(x->pixels[i] - y->pixels[i]));
  }
  EXPECT_LE(largest, tolerance.levels);
}

void ExpectSame(const Recorded& alone, const Recorded& other,
                MapTolerance tolerance) {
  EXPECT_EQ(TextOf(alone), TextOf(other));
  const auto maps = alone.All<MapEvent>();
  const auto others = other.All<MapEvent>();
  ASSERT_EQ(maps.size(), others.size());
  for (size_t i = 0; i < maps.size(); ++i) {
    ExpectSameMap(maps[i], others[i], tolerance);
  }
}

using Results = std::vector<std::shared_ptr<Recorded>>;

class Batches {
 public:
  Batches(model::UnifiedModel* model, MapTolerance tolerance)
      : model_(model), tolerance_(tolerance) {}

  void RunAlone() {
    EngineOptions options;
    options.max_running = 1;
    options.prefix_cache_bytes = 0;
    WithEngine(options, [&](Engine& engine) {
      for (int i = 0; i < kRequests; ++i) {
        alone_.push_back(Submit(engine, i));
        ASSERT_OK(alone_.back()->WaitDone()) << i;
        const bool draws = i >= 3 && i <= 6;
        EXPECT_EQ(alone_.back()->All<MapEvent>().empty() && draws, false) << i;
        EXPECT_GT(TextOf(*alone_.back()).size(), 3U) << i;
      }
    });
  }

  // Small batches, so that who goes with whom changes all the time.
  void RunTogether() {
    EngineOptions options;
    options.denoise_tokens = 64;
    options.slice = absl::Milliseconds(2);
    WithEngine(options, [&](Engine& engine) { ExpectAll(SubmitAll(engine)); });
    WithEngine({}, [&](Engine& engine) {
      ExpectAll(SubmitAll(engine));
      ExpectAll(SubmitAll(engine));  // what the prefix cache has by now
    });
  }

  void RunAmongCancelled(int seed) {
    std::mt19937 random(seed);
    WithEngine({.max_running = 2 * kRequests}, [&](Engine& engine) {
      Results results;
      Results cancelled;
      for (int i = 0; i < kRequests; ++i) {
        Request other = Mixed(static_cast<int>(random() % kRequests));
        if (random() % 2 == 0) other.seed = random();
        cancelled.push_back(std::make_shared<Recorded>());
        auto sink = std::make_unique<CancellingSink>(
            cancelled.back(), other.cancel, &engine,
            1 + static_cast<int>(random() % 40));
        EXPECT_OK(engine.Submit(std::move(other), std::move(sink)));
        results.push_back(Submit(engine, i));
      }
      ExpectAll(results);
      for (const auto& recorded : cancelled) {
        const absl::Status status = recorded->WaitDone();
        EXPECT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
      }
    });
  }

 private:
  template <typename Run>
  void WithEngine(const EngineOptions& options, Run run) {
    prometheus::Registry registry;
    metrics::ServerMetrics metrics(&registry);
    {
      Engine engine(model_, &metrics, base::Clock::Real(), options);
      run(engine);
    }
    EXPECT_EQ(model_->kv_usage().used_bytes, 0);
  }
  static std::shared_ptr<Recorded> Submit(Engine& engine, int i) {
    auto recorded = std::make_shared<Recorded>();
    EXPECT_OK(
        engine.Submit(Mixed(i), std::make_unique<RecordingSink>(recorded)));
    return recorded;
  }
  static Results SubmitAll(Engine& engine) {
    Results results;
    for (int i = 0; i < kRequests; ++i) results.push_back(Submit(engine, i));
    return results;
  }
  void ExpectAll(const Results& results) {
    for (int i = 0; i < kRequests; ++i) {
      SCOPED_TRACE(absl::StrCat("request ", i));
      ASSERT_OK(results[i]->WaitDone());
      ExpectSame(*alone_[i], *results[i], tolerance_);
    }
  }

  model::UnifiedModel* const model_;
  const MapTolerance tolerance_;
  Results alone_;
};

}  // namespace

void ExpectResultsDoNotDependOnTheBatch(model::UnifiedModel* model,
                                        MapTolerance tolerance) {
  Batches batches(model, tolerance);
  batches.RunAlone();
  if (::testing::Test::HasFatalFailure()) return;
  {
    SCOPED_TRACE("together");
    batches.RunTogether();
  }
  for (int seed = 1; seed <= kRounds; ++seed) {
    SCOPED_TRACE(absl::StrCat("among cancelled ones, seed ", seed));
    batches.RunAmongCancelled(seed);
  }
}

}  // namespace cooper::engine
