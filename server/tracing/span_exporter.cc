#include "server/tracing/span_exporter.h"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/clock.h"
#include "base/logging.h"
#include "server/tracing/otlp_json.h"

namespace cooper::tracing {
namespace {

constexpr absl::Duration kSendTimeout = absl::Seconds(10);

absl::Time Now() { return base::Clock::Real()->Now(); }

}  // namespace

SpanExporter::SpanExporter(Options options, std::vector<Attribute> resource,
                           Send send, Count count)
    : options_(options),
      resource_(std::move(resource)),
      send_(std::move(send)),
      count_(std::move(count)),
      thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "traces");
}

SpanExporter::~SpanExporter() {
  {
    base::MutexLock lock(&mutex_);
    stopping_ = true;
    flush_end_ = Now() + options_.flush_time;
  }
  thread_.join();
}

void SpanExporter::Export(std::vector<Span> spans) {
  {
    base::MutexLock lock(&mutex_);
    if (waiting_.size() + spans.size() <= options_.max_waiting) {
      waiting_.insert(waiting_.end(), std::make_move_iterator(spans.begin()),
                      std::make_move_iterator(spans.end()));
      return;
    }
  }
  count_(static_cast<int64_t>(spans.size()), false);
}

void SpanExporter::Run() {
  while (true) {
    const std::vector<Span> batch = NextBatch();
    if (batch.empty()) return;
    Deliver(batch);
  }
}

std::vector<Span> SpanExporter::NextBatch() {
  base::MutexLock lock(&mutex_);
  const auto some = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !waiting_.empty();
  };
  mutex_.Await(absl::Condition(&some));
  const auto full = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || waiting_.size() >= options_.max_batch;
  };
  mutex_.AwaitWithTimeout(absl::Condition(&full), options_.interval);
  const auto count = static_cast<std::ptrdiff_t>(
      std::min(options_.max_batch, waiting_.size()));
  std::vector<Span> batch(std::make_move_iterator(waiting_.begin()),
                          std::make_move_iterator(waiting_.begin() + count));
  waiting_.erase(waiting_.begin(), waiting_.begin() + count);
  return batch;
}

void SpanExporter::Deliver(const std::vector<Span>& batch) {
  const auto spans = static_cast<int64_t>(batch.size());
  const std::string body = ToOtlpJson(resource_, batch);
  absl::Duration wait = options_.first_wait;
  absl::Status sent;
  for (int attempt = 0; attempt <= options_.retries; ++attempt) {
    if (attempt > 0) {
      if (!Sleep(wait)) break;
      wait *= 2;
    }
    const absl::Duration time = SendTime();
    if (time <= absl::ZeroDuration()) {
      sent = absl::UnavailableError("the server ends");
      break;
    }
    sent = send_(body, time);
    if (sent.ok()) {
      warned_ = false;
      return count_(spans, true);
    }
    if (sent.code() != absl::StatusCode::kUnavailable) break;
  }
  count_(spans, false);
  if (std::exchange(warned_, true)) return;
  base::Log(base::LogLevel::kWarning, "traces are lost",
            {{"cause", base::Printable(sent.message(), 300)}});
}

bool SpanExporter::Sleep(absl::Duration time) {
  base::MutexLock lock(&mutex_);
  return !mutex_.AwaitWithTimeout(absl::Condition(&stopping_), time);
}

absl::Duration SpanExporter::SendTime() {
  base::MutexLock lock(&mutex_);
  if (!stopping_) return kSendTimeout;
  return std::min(kSendTimeout, flush_end_ - Now());
}

}  // namespace cooper::tracing
