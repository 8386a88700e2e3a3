#ifndef COOPER_SERVER_ENGINE_CORE_PHASE_H_
#define COOPER_SERVER_ENGINE_CORE_PHASE_H_

namespace cooper::engine {

// What a request waits for or is worked on with: `phase` in metrics, spans, log
// lines and error details, each with the same values.
enum class Phase {
  kQueue,        // admitted, not started
  kDecodeImage,  // image files to pixels
  kVit,          // the vision encoder
  kVaeEncode,    // pixels to latents
  kPrefill,      // inputs into the KV cache
  kDecode,       // tokens of text
  kDenoise,      // latents of a map or an image
  kVaeDecode,    // latents to pixels
  kEncodeImage,  // pixels to image files
  kWrite         // all work is done; events wait for the reader
};

// "queue", "decode_image", "vit", "vae_encode", "prefill", "decode",
// "denoise", "vae_decode", "encode_image", "write".
const char* PhaseName(Phase phase);

// The batched calls to the model.
enum class BatchKind { kDecode, kPrefill, kDenoise, kVaeDecode };

// The phase in which such a batch is counted.
Phase PhaseOf(BatchKind kind);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_CORE_PHASE_H_
