#ifndef COOPER_TESTS_SERVER_ENGINE_ENGINE_FIXTURE_H_
#define COOPER_TESTS_SERVER_ENGINE_ENGINE_FIXTURE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/check.h"
#include "base/mutex.h"
#include "model/fake/fake_model.h"
#include "model/image/codec.h"
#include "model/image/image.h"
#include "server/engine/core/event.h"
#include "server/engine/core/request.h"

namespace cooper::engine {

inline constexpr char kDepthText[] =
    "<think> Look. </think>\n<depth-estimation>Depth, please."
    "</depth-estimation>";
inline constexpr char kSegmentText[] =
    "<think> Look. </think>\n<segmentation>Segments.</segmentation>";
inline constexpr char kAnswerText[] =
    "<think> Done. </think>\n<answer> It is \\boxed{A}. </answer>";

// A small model: maps of at most 128 px, a depth map for questions that hold
// "depth", two maps for "both", else an answer at once.
inline fake::FakeScript SmallScript() {
  fake::FakeScript script;
  script.vae_rule = {128, 64, 16, 12000};
  script.vit_rule = {112, 56, 14, 12000};
  script.scripts = {
      {"depth question", {kDepthText, kAnswerText}},
      {"both question", {kDepthText, kSegmentText, kAnswerText}},
      {"vague question", {"I do not know."}},
  };
  script.texts = {kAnswerText};
  return script;
}

inline image::RgbImage TestImage(int width, int height, int seed = 0) {
  image::RgbImage image;
  image.size = {width, height};
  for (int i = 0; i < width * height * 3; ++i) {
    image.pixels.push_back(static_cast<uint8_t>(i * 7 + seed * 31));
  }
  return image;
}

inline std::string TestPng(int width, int height, int seed = 0) {
  auto png = image::EncodePng(TestImage(width, height, seed));
  COOPER_CHECK(png.ok());
  return *std::move(png);
}

// A question about an image of 96 x 80 px.
inline Request Question(const std::string& text, int num_timesteps = 4) {
  Request request;
  request.id = text;
  request.task = ReasonTask{};
  request.inputs = {ImageInput{TestPng(96, 80), "inputs[0].image"},
                    TextInput{text}};
  request.max_think_tokens = 200;
  request.flow.num_timesteps = num_timesteps;
  request.seed = 7;
  return request;
}

// What one request sent, readable from any thread.
class Recorded {
 public:
  void Add(Event event) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    COOPER_CHECK(dones_ == 0);
    events_.push_back(std::move(event));
  }
  void Done(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    ++dones_;
    status_ = status;
  }
  // Blocks.
  absl::Status WaitDone() ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    const auto done = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return dones_ > 0;
    };
    mutex_.Await(absl::Condition(&done));
    return status_;
  }
  template <typename EventType>
  void WaitFor(int count = 1) ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    const auto there = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      int seen = 0;
      for (const Event& event : events_) {
        seen += std::holds_alternative<EventType>(event) ? 1 : 0;
      }
      return seen >= count || dones_ > 0;
    };
    mutex_.Await(absl::Condition(&there));
  }
  int dones() const ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    return dones_;
  }
  std::vector<Event> events() const ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    return events_;
  }
  template <typename EventType>
  std::vector<EventType> All() const {
    std::vector<EventType> all;
    for (const Event& event : events()) {
      if (const auto* e = std::get_if<EventType>(&event)) all.push_back(*e);
    }
    return all;
  }
  // The text of one channel, of all turns.
  std::string Text(TextChannel channel) const {
    std::string text;
    for (const auto& delta : All<TextDeltaEvent>()) {
      if (delta.channel == channel) text += delta.text;
    }
    return text;
  }

 private:
  mutable base::Mutex mutex_;
  std::vector<Event> events_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  int dones_ ABSL_GUARDED_BY(mutex_) = 0;
};

class RecordingSink final : public EventSink {
 public:
  explicit RecordingSink(std::shared_ptr<Recorded> recorded)
      : recorded_(std::move(recorded)) {}
  void OnEvent(Event event) override { recorded_->Add(std::move(event)); }
  void OnDone(const absl::Status& status) override { recorded_->Done(status); }

 private:
  std::shared_ptr<Recorded> recorded_;
};

}  // namespace cooper::engine

#endif  // COOPER_TESTS_SERVER_ENGINE_ENGINE_FIXTURE_H_
