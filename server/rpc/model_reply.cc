#include "server/rpc/model_reply.h"

#include "base/logging.h"

namespace cooper::rpc {
namespace {

constexpr size_t kMaxPathBytes = 4096;

v1::RenormType ToWire(model::Renorm renorm) {
  switch (renorm) {
    case model::Renorm::kGlobal:
      return v1::RENORM_TYPE_GLOBAL;
    case model::Renorm::kChannel:
      return v1::RENORM_TYPE_CHANNEL;
    case model::Renorm::kTextChannel:
      return v1::RENORM_TYPE_TEXT_CHANNEL;
  }
  return v1::RENORM_TYPE_UNSPECIFIED;
}

void Fill(const model::FlowOptions& flow, v1::FlowOptions* wire) {
  wire->set_num_timesteps(flow.num_timesteps);
  wire->set_timestep_shift(flow.timestep_shift);
  wire->set_cfg_text_scale(flow.cfg_text_scale);
  wire->set_cfg_img_scale(flow.cfg_img_scale);
  wire->set_cfg_interval_low(flow.cfg_interval_low);
  wire->set_cfg_interval_high(flow.cfg_interval_high);
  wire->set_cfg_renorm_min(flow.cfg_renorm_min);
  wire->set_cfg_renorm_type(ToWire(flow.cfg_renorm_type));
}

void Fill(const model::SamplingOptions& sampling, v1::SamplingOptions* wire) {
  wire->set_do_sample(sampling.do_sample);
  wire->set_temperature(sampling.temperature);
  wire->set_top_p(sampling.top_p);
}

void Fill(const model::ModelInfo& info, const RpcLimits& limits,
          const image::DecodeLimits& images, v1::Limits* wire) {
  wire->set_max_message_bytes(limits.max_message_bytes);
  wire->set_max_inputs(limits.max_inputs);
  wire->set_max_images(limits.max_images);
  wire->set_max_image_pixels(images.max_pixels);
  wire->set_max_image_side(images.max_side);
  wire->set_max_image_aspect(images.max_aspect);
  wire->set_max_text_bytes(limits.max_text_bytes);
  wire->set_max_think_tokens(limits.max_think_tokens);
  wire->set_kv_cache_tokens(info.kv_capacity_tokens);
  wire->set_max_positions(info.max_positions);
  wire->set_map_stride(info.latent_stride);
  wire->set_max_map_side(info.latent_stride * info.max_latent_side);
}

}  // namespace

v1::GetModelResponse MakeModelReply(const model::ModelInfo& info,
                                    const RpcLimits& limits,
                                    const engine::EngineOptions& options,
                                    const std::string& server_version) {
  v1::GetModelResponse reply;
  reply.set_name(info.name);
  reply.set_server_version(server_version);
  reply.set_device(info.device);
  reply.set_dtype(info.dtype);
  reply.set_parameters(info.parameters);
  for (const model::WeightFile& file : info.files) {
    v1::WeightFile* wire = reply.add_files();
    wire->set_path(base::Printable(file.path, kMaxPathBytes));
    wire->set_tensors(file.tensors);
  }
  reply.set_threads(info.threads);
  reply.set_instruction_set(info.instruction_set);
  if (info.can_reason) {
    if (info.can_generate_maps) {
      reply.add_modes(v1::MODE_INTERLEAVED);
    }
    reply.add_modes(v1::MODE_TEXT_ONLY);
    if (info.can_generate_maps) {
      reply.add_modes(v1::MODE_PERCEIVE_THEN_ANSWER);
    }
  }
  if (info.can_generate_maps) {
    reply.add_map_kinds(v1::MAP_KIND_DEPTH);
    reply.add_map_kinds(v1::MAP_KIND_SEGMENTATION);
    if (info.can_generate_images) reply.add_map_kinds(v1::MAP_KIND_IMAGE);
  }
  reply.set_can_converse(info.can_reason && info.can_converse);
  reply.set_can_generate_images(info.can_generate_maps &&
                                info.can_generate_images);
  Fill(info, limits, options.image_limits, reply.mutable_limits());
  reply.mutable_limits()->set_max_running(options.max_running);
  reply.mutable_limits()->set_max_queue(options.max_queue);
  const model::GenerationDefaults& defaults = info.defaults;
  Fill(defaults.flow, reply.mutable_defaults()->mutable_flow());
  Fill(defaults.sampling, reply.mutable_defaults()->mutable_sampling());
  reply.mutable_defaults()->set_max_turns(defaults.max_turns);
  reply.mutable_defaults()->set_max_think_tokens(defaults.max_think_tokens);
  reply.mutable_defaults()->set_max_answer_tokens(defaults.max_answer_tokens);
  return reply;
}

}  // namespace cooper::rpc
