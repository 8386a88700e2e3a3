#ifndef COOPER_MODEL_OPTIONS_H_
#define COOPER_MODEL_OPTIONS_H_

#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"

namespace cooper::model {

// What a map or picture drawn by the model stands for.
enum class MapKind { kDepth, kSegmentation, kImage };

// How guided velocities are renormalised (model-spec section 5): by the norm
// of the whole velocity, per token after both mixes, or per token after the
// text mix only.
enum class Renorm { kGlobal, kChannel, kTextChannel };

// Options of one rectified-flow trajectory. Defaults are those of COOPER's
// evaluation. They affect the result, not only the speed: the time of a map is
// proportional to (num_timesteps - 1) * branches.
struct FlowOptions {
  // Points of the schedule; num_timesteps - 1 Euler steps. 2..1000.
  int num_timesteps = 50;
  // Shifts time towards noise (> 1). [0.01, 100].
  double timestep_shift = 3.0;
  // Text guidance; <= 1 turns all guidance off. [0, 100].
  double cfg_text_scale = 4.0;
  // Image guidance; <= 1 drops the no-image branch. [0, 100].
  double cfg_img_scale = 2.0;
  // Guidance applies where cfg_interval_low < t <= cfg_interval_high.
  // 0 <= low <= high <= 1.
  double cfg_interval_low = 0.0;
  double cfg_interval_high = 1.0;
  // Lower clamp of the renormalisation factor. [0, 1].
  double cfg_renorm_min = 0.0;
  Renorm cfg_renorm_type = Renorm::kTextChannel;

  // INVALID_ARGUMENT "field: what is wrong (range)" for the first bad field.
  absl::Status Validate() const;
};

// How the next token is chosen.
struct SamplingOptions {
  // False: the most probable token (greedy).
  bool do_sample = false;
  // Divides the logits; values below 1e-6 act as 1e-6. [0, 100].
  double temperature = 1.0;
  // Keeps the most probable tokens up to and including the one that passes
  // top_p; 1 keeps all. (0, 1].
  double top_p = 1.0;

  absl::Status Validate() const;
};

// Texts that the modes of the model put around a request. Defaults are
// COOPER's own; a checkpoint may carry others.
struct Prompts {
  std::string vlm_think_system_prompt;
  std::string gen_think_system_prompt;
  std::string interleave_reason_system_prompt;
  std::string image_reason_system_prompt;
  std::string depth_prompt;
  std::string segmentation_prompt;
  std::string reflection_prompt;

  static Prompts Cooper();
};

// What a request gets where it says nothing; a checkpoint may carry its own.
struct GenerationDefaults {
  FlowOptions flow;
  SamplingOptions sampling;
  // Decoded texts of one request at most. 1..16.
  int max_turns = 3;
  // Tokens of one text, the leading bos counted (as upstream does).
  int max_think_tokens = 4096;
  // The same for the answer after forced perception.
  int max_answer_tokens = 256;
};

// The resize rule of one image encoder, all in pixels (model-spec section 4).
struct ImageRule {
  int max_size = 1024;  // long edge at most
  int min_size = 512;   // short edge at least (the long edge wins)
  int stride = 16;      // both edges are multiples
  int64_t max_pixels = int64_t{14} * 14 * 9 * 1024;
};

}  // namespace cooper::model

#endif  // COOPER_MODEL_OPTIONS_H_
