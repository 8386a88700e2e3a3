#include "server/engine/core/phase.h"

namespace cooper::engine {

const char* PhaseName(Phase phase) {
  switch (phase) {
    case Phase::kQueue:
      return "queue";
    case Phase::kDecodeImage:
      return "decode_image";
    case Phase::kVit:
      return "vit";
    case Phase::kVaeEncode:
      return "vae_encode";
    case Phase::kPrefill:
      return "prefill";
    case Phase::kDecode:
      return "decode";
    case Phase::kDenoise:
      return "denoise";
    case Phase::kVaeDecode:
      return "vae_decode";
    case Phase::kEncodeImage:
      return "encode_image";
    case Phase::kWrite:
      break;
  }
  return "write";
}

Phase PhaseOf(BatchKind kind) {
  switch (kind) {
    case BatchKind::kDecode:
      return Phase::kDecode;
    case BatchKind::kPrefill:
      return Phase::kPrefill;
    case BatchKind::kDenoise:
      return Phase::kDenoise;
    case BatchKind::kVaeDecode:
      break;
  }
  return Phase::kVaeDecode;
}

}  // namespace cooper::engine
