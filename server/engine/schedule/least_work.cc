#include "server/engine/schedule/least_work.h"

namespace cooper::engine {
namespace {

// Of every step; guidance for a part of the times makes some cheaper.
int Branches(const model::FlowOptions& flow) {
  const bool always = flow.cfg_interval_low <= 0 && flow.cfg_interval_high >= 1;
  if (!always || flow.cfg_text_scale <= 1) return 1;
  return flow.cfg_img_scale > 1 ? 3 : 2;
}

int Maps(const Task& task) {
  const auto* reason = std::get_if<ReasonTask>(&task);
  if (reason == nullptr) return 1;
  return reason->mode == Mode::kPerceiveThenAnswer ? 2 : 0;
}

bool Writes(const Task& task) {
  const auto* generate = std::get_if<GenerateTask>(&task);
  return std::holds_alternative<ReasonTask>(task) ||
         (generate != nullptr && generate->think);
}

}  // namespace

LeastWork LeastWorkOf(const Task& task, const model::FlowOptions& flow,
                      const PartTokens& parts, int64_t latent_tokens) {
  LeastWork least;
  least.prefill_rows = parts.system + parts.images + parts.texts;
  least.decodes = Writes(task) ? 1 : 0;
  least.maps = Maps(task);
  if (least.maps > 0) {
    least.denoise_steps = least.maps * (flow.num_timesteps - 1);
    least.denoise_rows = latent_tokens * Branches(flow);
  }
  return least;
}

}  // namespace cooper::engine
