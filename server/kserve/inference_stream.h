#ifndef COOPER_SERVER_KSERVE_INFERENCE_STREAM_H_
#define COOPER_SERVER_KSERVE_INFERENCE_STREAM_H_

#include <atomic>
#include <deque>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "inference/grpc_service.pb.h"
#include "server/kserve/inference_call.h"
#include "server/rpc/event_stream.h"
#include "server/rpc/method_table.h"
#include "server/rpc/stall_watch.h"

namespace cooper::kserve {

class InferenceStream;

// One request of a stream. Its responses are written by the stream; its last
// one, which may be an error, ends it. Kept by the stream until then.
class StreamedInference final
    : public rpc::EventStream,
      public std::enable_shared_from_this<StreamedInference> {
 public:
  StreamedInference(const rpc::StreamEnvironment& environment,
                    rpc::CallContext* context, InferenceStream* stream)
      : EventStream(environment, context, engine::Method::kModelStreamInfer),
        stream_(*stream) {
    BeginWatch();
  }

  InferenceAnswer& answer() { return answer_; }

  using rpc::EventStream::CallCancelled;
  using rpc::EventStream::CallDone;
  using rpc::EventStream::WriteDone;

  // The stream's while this waits to be written.
  const grpc::ByteBuffer& written() const { return written_; }

 private:
  bool StartNextWrite(rpc::EventWriter* writer) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Builds the last response and hands it, and so itself, to the stream.
  AfterUnlock StartFinish(const grpc::Status& status) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Trailers are of the whole stream.
  void TellPushback(int64_t pushback_ms) override {}
  void SetFinal(bool is_final);

  InferenceStream& stream_;
  InferenceAnswer answer_;
  inference::ModelStreamInferResponse message_;
  grpc::ByteBuffer written_;  // the message's bytes
};

// ModelStreamInfer: reads requests, writes the responses of all of them, each
// request's in order. Lives from the handler to OnDone, where it deletes
// itself.
//
// A stream without a request for the longest deadline of a call, or at its own
// deadline, ends with DEADLINE_EXCEEDED.
//
// Invariants:
//   - At most one read and one write are in flight, and at most
//     kMaxOutstanding requests are not ended; while so many are, none is read.
//   - Finish is called once, with no request left.
//   - `mutex_` comes after the lock of a request; requests are not called
//     under it.
class InferenceStream final : public rpc::Reactor,
                              public rpc::StallWatch::Stream {
 public:
  static constexpr int kMaxOutstanding = 16;

  struct Options {
    rpc::StreamEnvironment environment;
    // Set once the server shuts down: a stream with no request left ends.
    const std::atomic<bool>* closing = nullptr;
    // Begins the request's work, or rejects it.
    std::function<void(const grpc::ByteBuffer& request, StreamedInference*)>
        begin;
  };

  // What the options point to must outlive the stream.
  InferenceStream(Options options, rpc::CallContext* context);

  // Begins to read.
  void Start() ABSL_LOCKS_EXCLUDED(mutex_);

  // Queues the call's message; `last`: the call has ended with it.
  void Write(std::shared_ptr<StreamedInference> call, bool last)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The call has ended. Not under its lock.
  void Remove(const std::shared_ptr<StreamedInference>& call)
      ABSL_LOCKS_EXCLUDED(mutex_);

  void OnTick(absl::Time now) override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Waiting {
    std::shared_ptr<StreamedInference> call;
    bool last = false;
  };

  void OnReadDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnCancel() override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDone() override ABSL_LOCKS_EXCLUDED(mutex_);

  void BeginRequest(const std::shared_ptr<StreamedInference>& call)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Starts the next read, or finishes, as far as it is time for it.
  void AdvanceLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StartNextWriteLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  rpc::CallContext* const context_;
  // Infinite where the caller gave none.
  const absl::Time deadline_;
  grpc::ByteBuffer request_;  // gRPC's while a read is in flight

  base::Mutex mutex_;
  absl::flat_hash_set<std::shared_ptr<StreamedInference>> calls_
      ABSL_GUARDED_BY(mutex_);
  // The front one is being written.
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  absl::Time write_started_ ABSL_GUARDED_BY(mutex_);
  // Since when no request is under way; only while that is so.
  absl::Time idle_since_ ABSL_GUARDED_BY(mutex_);
  bool expired_ ABSL_GUARDED_BY(mutex_) = false;  // idle for too long
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;  // a read is in flight
  // The call that a handler is about to begin, of calls_.
  StreamedInference* beginning_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool reads_done_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool aborted_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace cooper::kserve

#endif  // COOPER_SERVER_KSERVE_INFERENCE_STREAM_H_
