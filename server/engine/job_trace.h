#ifndef COOPER_SERVER_ENGINE_JOB_TRACE_H_
#define COOPER_SERVER_ENGINE_JOB_TRACE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/engine/core/phase.h"
#include "server/tracing/call_trace.h"

namespace cooper::engine {

// The spans of one request within the trace of its call: the request's own,
// and below it its wait, its images, and its phases on the device. Batches of
// one phase without another between them are one span. Does nothing where the
// call is not recorded.
class JobTrace {
 public:
  // `trace` may be null.
  explicit JobTrace(std::shared_ptr<tracing::CallTrace> trace);

  // A stretch of work that is over. Any thread.
  void Add(absl::string_view name, absl::Time start, absl::Time end) const;
  // The request took part in a batch; `share` is its part of the batch's time.
  // Engine thread.
  void AddBatch(Phase phase, absl::Time start, absl::Time end,
                absl::Duration share);
  // The last word. Engine thread.
  void End(absl::Time start, absl::Time end, const absl::Status& status,
           std::vector<tracing::Attribute> attributes);

 private:
  struct Stretch {
    Phase phase;
    absl::Time start, end;
    int64_t batches = 0;
    absl::Duration device_time;
  };
  void CloseStretch();

  const std::shared_ptr<tracing::CallTrace> trace_;
  const std::string span_id_;  // the request's
  std::optional<Stretch> stretch_;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_JOB_TRACE_H_
