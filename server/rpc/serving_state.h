#ifndef COOPER_SERVER_RPC_SERVING_STATE_H_
#define COOPER_SERVER_RPC_SERVING_STATE_H_

#include <atomic>
#include <utility>

#include "base/check.h"
#include "model/load_progress.h"
#include "model/unified_model.h"
#include "server/engine/engine.h"

namespace cooper::rpc {

// What the services serve. The server listens before the model is loaded; until
// then it is empty and inference is refused with LOADING, and with what
// the progress says.
//
// Thread-safe. `Fill` and `Follow` once; what they are given must outlive every
// call.
class ServingState {
 public:
  struct Serving {
    engine::Engine* engine = nullptr;
    const model::ModelInfo* info = nullptr;
  };

  void Fill(const Serving& serving) {
    COOPER_CHECK(get() == nullptr && serving.engine != nullptr);
    serving_ = serving;
    filled_.store(&serving_, std::memory_order_release);
  }

  void Follow(const model::LoadProgress* progress) {
    progress_.store(progress, std::memory_order_release);
  }
  // Null: not known.
  const model::LoadProgress* progress() const {
    return progress_.load(std::memory_order_acquire);
  }

  // Null while loading.
  const Serving* get() const { return filled_.load(std::memory_order_acquire); }

 private:
  Serving serving_;  // written once, before filled_
  std::atomic<const Serving*> filled_{nullptr};
  std::atomic<const model::LoadProgress*> progress_{nullptr};
};

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_SERVING_STATE_H_
