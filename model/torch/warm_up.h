#ifndef COOPER_MODEL_TORCH_WARM_UP_H_
#define COOPER_MODEL_TORCH_WARM_UP_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "model/image/image.h"
#include "model/unified_model.h"

namespace cooper::torch_model {

// Shapes of the batches that a warm-up runs.
struct WarmUpShapes {
  image::Size latents, vision;  // of the images of a prompt
  int64_t text_rows = 0;        // of a text segment
  std::vector<image::Size> maps;
  // Also runs a prefill of the images, one of the text, a denoising step and
  // the decoding of a map's latents in turns, slice by slice, as a server does:
  // all of them hold memory at once.
  bool together = false;
};

// One small image and map, for a device whose memory need not be measured.
WarmUpShapes SmallestShapes(const model::ModelInfo& info);

// The largest image, and batches of as many rows as a server makes, as far as
// the KV pool has room for their contexts.
WarmUpShapes LargestShapes(const model::ModelInfo& info, int64_t prefill_rows,
                           int64_t denoise_rows);

// Runs every kind of batch in the shapes. The pool is left as it was.
absl::Status RunWarmUp(model::UnifiedModel* model, const WarmUpShapes& shapes);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_WARM_UP_H_
