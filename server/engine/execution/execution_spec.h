#ifndef COOPER_SERVER_ENGINE_EXECUTION_EXECUTION_SPEC_H_
#define COOPER_SERVER_ENGINE_EXECUTION_EXECUTION_SPEC_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "model/noise.h"
#include "model/options.h"
#include "model/text_codec.h"
#include "server/engine/core/request.h"
#include "server/engine/execution/prepared_image.h"
#include "server/engine/memory/prefix_cache.h"
#include "server/engine/memory/session_store.h"
#include "server/engine/program/program.h"

namespace cooper::engine {

// A text whose ids are known beforehand, so that the engine thread need not
// encode it.
struct EncodedText {
  TextPart part;
  std::vector<model::TokenId> ids;  // without bos and eos
};

// What an Execution is made of.
struct ExecutionSpec {
  std::unique_ptr<Program> program;
  std::vector<PreparedImage> images;
  // Every draw: of latents of images without a file, in their order, then
  // denoisers and tokens.
  std::unique_ptr<model::NoiseSource> noise;
  model::SamplingOptions sampling;
  model::FlowOptions flow;
  int preview_every = 0;  // denoising steps; 0: none
  // Positions that kCond may have, and how many of them each text but an answer
  // leaves free (PositionDemand). max_positions 0: no limit.
  int64_t max_positions = 0;
  int64_t reserved_positions = 0;
  // Render what the vision encoder sees even where it is not fed back.
  bool always_render_vision = false;
  // How control spellings in a user's text are read. kParse: as upstream.
  model::ControlText user_text = model::ControlText::kPlain;
  std::vector<std::shared_ptr<const EncodedText>> encoded;
  // Where input segments are looked for before they are encoded; outlives the
  // execution; null: nowhere.
  PrefixCache* prefixes = nullptr;
  // What an empty context is in that cache (RootPrefix): whose prefixes are
  // shared.
  base::Digest prefix_root = {};
  // A turn of a conversation: what its contexts begin with (null: nothing),
  // what its client asks for meanwhile (may be null), and whether they are
  // kept.
  SessionContexts contexts;
  std::shared_ptr<const Steering> steering;
  bool keep_contexts = false;
};

// What an Execution used. Input: texts and images on kCond, drawn maps
// included. Output: tokens that the model wrote.
struct ExecutionTotals {
  int64_t input_tokens = 0;
  // Of input_tokens: from the prefix cache, or there from the start.
  int64_t cached_tokens = 0;
  int64_t output_tokens = 0;
  int turns = 0;
  int maps = 0;
  int denoise_steps = 0;
};

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_EXECUTION_EXECUTION_SPEC_H_
