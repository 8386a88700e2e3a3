#ifndef COOPER_SERVER_ENGINE_CORE_CANCEL_H_
#define COOPER_SERVER_ENGINE_CORE_CANCEL_H_

#include <atomic>

namespace cooper::engine {

// Why a request was told to stop.
enum class CancelCause {
  kNone,
  kClient,
  kDeadline,
  kDisconnect,
  kStall,
  kShutdown
};

// Shared by the RPC that cancels and the engine that looks. Thread-safe; the
// first cause stays.
class CancelToken {
 public:
  void Cancel(CancelCause cause) {
    CancelCause none = CancelCause::kNone;
    cause_.compare_exchange_strong(none, cause, std::memory_order_acq_rel);
  }
  CancelCause cause() const { return cause_.load(std::memory_order_acquire); }
  bool cancelled() const { return cause() != CancelCause::kNone; }

 private:
  std::atomic<CancelCause> cause_{CancelCause::kNone};
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_CORE_CANCEL_H_
