#ifndef COOPER_SERVER_ENGINE_ENGINE_OPTIONS_H_
#define COOPER_SERVER_ENGINE_ENGINE_OPTIONS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "model/image/codec.h"

namespace cooper::engine {

// Affects behaviour: limits. Affects speed: budgets, threads.
struct EngineOptions {
  // Requests that hold contexts at once. 1..1024.
  int max_running = 16;
  // Admitted requests that wait beside them. 0..65536.
  int max_queue = 256;
  // Admitted requests of one client. -1..65536. 0: no limit of its own; -1:
  // none either, but where the queue is full, a client gives queue slots up to
  // clients with fewer waiting requests.
  int max_per_client = -1;
  // A request that is expected to wait longer is refused. Zero: none is.
  absl::Duration max_queue_delay = absl::Seconds(30);
  // A request that could not be started for so long is refused. Zero: it waits
  // as long as its deadline lets it.
  absl::Duration queue_timeout;
  // Bytes of inputs of all admitted requests.
  int64_t max_queue_bytes = int64_t{85} << 20;
  // Memory for decoding images, the codecs' own included. An image that needs
  // more is decoded alone; others wait. Lower: fewer large images at once.
  int64_t decode_bytes = int64_t{85} << 20;
  // Part of the KV pool that keeps the beginnings of requests for others that
  // begin the same. Below 0: a quarter; 0: none.
  int64_t prefix_cache_bytes = -1;
  // Requests reuse prefixes of their own client's requests only, so that no
  // client learns what another asked. False: of every client's.
  bool prefixes_by_client = false;
  // How long a conversation is kept after a turn. Zero: there are none.
  absl::Duration session_ttl = absl::Minutes(10);
  // Part of the KV pool that conversations may hold. Below 0: a quarter.
  int64_t session_bytes = -1;
  // Longest time that a slice of a prefill, a denoising step or a map's
  // decoding runs before text is decoded again.
  absl::Duration slice = absl::Milliseconds(50);
  // Rows (tokens) of one prefill batch. A text that is longer, or would take
  // long (Starter), goes in parts; an image that is larger goes alone.
  int prefill_tokens = 8192;
  // Latent rows (tokens * branches) of one denoising batch; at least one flow
  // goes.
  int denoise_tokens = 16384;
  // Threads that decode, resize and encode images. 1..64.
  int prepare_threads = 2;
  int encode_threads = 1;
  // max_pixels: 1..2^30; it also bounds the sum over a request's images.
  image::DecodeLimits image_limits;

  absl::Status Validate() const;
};

struct EngineLoad {
  int queued = 0;   // admitted, waiting
  int running = 0;  // holding contexts
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_ENGINE_OPTIONS_H_
