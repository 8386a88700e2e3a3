#ifndef COOPER_SERVER_ENGINE_CORE_REQUEST_H_
#define COOPER_SERVER_ENGINE_CORE_REQUEST_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "model/image/image.h"
#include "model/options.h"
#include "server/engine/core/cancel.h"
#include "server/engine/core/method.h"

// A request as the engine sees it: checked and complete (every default is
// filled in), no wire type.

namespace cooper::tracing {
class CallTrace;
}

namespace cooper::engine {

// An image as the client sent it.
struct ImageInput {
  // An encoded file, or with `raw_size` the pixels themselves, as
  // image::RgbImage has them.
  std::string bytes;
  std::string field;     // path of the wire field, for messages
  image::Size raw_size;  // of the pixels; 0 x 0: `bytes` are a file
};
struct TextInput {
  std::string text;  // UTF-8
};
using Input = std::variant<ImageInput, TextInput>;

enum class Mode { kInterleaved, kTextOnly, kPerceiveThenAnswer };

struct ReasonTask {
  Mode mode = Mode::kInterleaved;
  int max_turns = 3;
};
struct MapTask {
  model::MapKind kind = model::MapKind::kDepth;  // or kSegmentation
};
struct GenerateTask {
  bool think = false;
  image::Size size;  // 0 x 0: the last image's, or the model's full size
};
using Task = std::variant<ReasonTask, MapTask, GenerateTask>;

// What a request asks for, and what a map or image is.
enum class RequestKind { kReason, kDepth, kSegmentation, kImage };
// "reason", "depth", "segmentation", "image".
const char* RequestKindName(RequestKind kind);
RequestKind KindOf(const Task& task);
RequestKind KindOf(model::MapKind kind);

enum class MapRole { kValues, kDisplay, kAsSeenByModel };
// kRawRgb8: RGB bytes, row by row; of the KServe protocol, not of cooper.v1.
enum class MapEncoding { kPngRgb8, kPngGrey16, kRawFloat32, kRawRgb8 };

struct OutputOptions {
  int preview_every = 0;  // denoising steps; 0: none
  std::vector<MapRole> roles = {MapRole::kValues, MapRole::kDisplay};
  // Encoding of kValues of a depth map: kPngGrey16 or kRawFloat32.
  MapEncoding depth_encoding = MapEncoding::kPngGrey16;
  // Encoding of kValues of a segmentation or image: kPngRgb8 or kRawRgb8.
  MapEncoding colour_encoding = MapEncoding::kPngRgb8;
};

// kLow: work that can wait, such as batches; it starts after normal requests,
// and late rather than never.
enum class Priority { kNormal, kLow };

// What the caller of a conversation may want of the turn under way. Shared by
// the RPC that asks and the engine that looks. Thread-safe.
struct Steering {
  std::atomic<bool> answer_now{false};
  std::atomic<bool> no_more_maps{false};
};

// What a session remembers beside its contexts.
struct SessionFacts {
  Mode mode = Mode::kInterleaved;
  image::Size map_size;  // the last image's; 0 x 0: there was none
  // Whether kCond has what kNoImage has not.
  bool apart = false;
  // Tokens that both begin with, where they are apart.
  int64_t shared_tokens = 0;
};

// The request is a turn of a conversation, whose context is kept under `id`.
struct SessionUse {
  std::string id;
  bool resumed = false;  // goes on with what is kept
  // The turn before it has just ended: it takes over that one's place.
  bool follows = false;
  SessionFacts facts;  // of the session, for a resumed one; the engine's
};

struct Request {
  std::string id;
  // Who asks, for its share of the device and its limit of open requests:
  // something that the caller cannot choose. Empty: not known; all such are
  // one client without a limit.
  std::string client;
  Priority priority = Priority::kNormal;
  Method method = Method::kReason;
  Task task;
  std::vector<Input> inputs;
  int max_think_tokens = 4096;  // bos counted
  model::SamplingOptions sampling;
  model::FlowOptions flow;
  OutputOptions output;
  uint64_t seed = 0;
  std::optional<SessionUse> session;             // ReasonTask only
  std::shared_ptr<const Steering> steering;      // may be null
  std::string trace_id;                          // for logs; may be empty
  std::shared_ptr<tracing::CallTrace> trace;     // null: not recorded
  absl::Time deadline = absl::InfiniteFuture();  // of base::Clock
  std::shared_ptr<CancelToken> cancel = std::make_shared<CancelToken>();

  // Bytes that admission counts: images and texts.
  int64_t input_bytes() const;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_CORE_REQUEST_H_
