#ifndef COOPER_SERVER_ENGINE_CORE_EVENT_H_
#define COOPER_SERVER_ENGINE_CORE_EVENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "model/image/image.h"
#include "model/image/maps.h"
#include "model/options.h"
#include "server/engine/core/request.h"

// What a running request tells its caller, in order (design section 5).

namespace cooper::engine {

enum class TextChannel { kThink, kPerceptionRequest, kAnswer, kPlain };
enum class FinishReason { kAnswered, kMaxTurns, kMaxTokens, kNoRequest };
// "answered", "max_turns", "max_tokens", "no_request".
const char* FinishReasonName(FinishReason reason);

struct StartedEvent {
  std::string request_id;
  uint64_t seed = 0;
};

struct TextDeltaEvent {
  int turn = 0;
  TextChannel channel = TextChannel::kPlain;
  std::string text;
};

struct MapStartedEvent {
  int map_id = 0;
  model::MapKind kind = model::MapKind::kDepth;
  image::Size size;
  int num_steps = 0;
  std::string request_text;
};

// Most bytes of a preview; a larger one is left out.
inline constexpr size_t kMaxPreviewBytes = size_t{256} << 10;

struct MapProgressEvent {
  int map_id = 0;
  int step = 0;  // 1..num_steps
  int num_steps = 0;
  std::optional<std::string> preview_png;
};

// One rendering of a finished map, whole: cutting it into messages is the
// RPC's affair.
struct MapEvent {
  int map_id = 0;
  model::MapKind kind = model::MapKind::kDepth;
  MapRole role = MapRole::kValues;
  MapEncoding encoding = MapEncoding::kPngRgb8;
  image::Size size;
  std::shared_ptr<const std::string> data;
  std::vector<image::Region> regions;
};

struct Usage {
  int64_t input_tokens = 0;
  int64_t cached_tokens = 0;  // of input_tokens: from the prefix cache,
                              // or the session's
  int64_t output_tokens = 0;
  int maps = 0;
  int denoise_steps = 0;
  // Wall time by phase: kQueue, kPrefill with kVit, kDecode, kDenoise,
  // kVaeEncode and kVaeDecode, kDecodeImage and kEncodeImage; and of the whole
  // request.
  absl::Duration queued, prefill, decode, denoise, vae, image, total;
};

struct FinishedEvent {
  FinishReason reason = FinishReason::kAnswered;
  std::string answer;
  std::string answer_text;
  std::optional<std::string> boxed;
  Usage usage;
};

// A conversation's context, after StartedEvent and once more before
// FinishedEvent.
struct SessionEvent {
  std::string session_id;
  absl::Duration expires_after;  // zero: it could not be kept
  int64_t kv_bytes = 0;
};

// A turn ended by its caller, whose conversation goes on. The RPC's.
struct TurnCancelledEvent {};

using Event = std::variant<StartedEvent, TextDeltaEvent, MapStartedEvent,
                           MapProgressEvent, MapEvent, FinishedEvent,
                           SessionEvent, TurnCancelledEvent>;

// Where a request's events go. The engine calls it from its own thread or a
// pool's, one call at a time, never under a lock of the engine; calls must not
// block. `OnDone` is called exactly once, last: OK right after FinishedEvent,
// an error otherwise.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void OnEvent(Event event) = 0;
  virtual void OnDone(const absl::Status& status) = 0;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_CORE_EVENT_H_
