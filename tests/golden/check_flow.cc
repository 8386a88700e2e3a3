// Rectified flow and what becomes of its latents.

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <regex>
#include <stdexcept>

#include "model/image/maps.h"
#include "model/image/resize.h"
#include "model/torch/denoiser.h"
#include "model/torch/vision/pixels.h"
#include "tests/golden/checks.h"

namespace cooper::golden {
namespace {

const Json& BaseCase(const GoldenData& goldens) {
  const Json* base = goldens.FindCase("context", "base");
  if (base == nullptr) throw std::runtime_error("no case context/base");
  return *base;
}

void CheckSchedule(const GoldenData& goldens, const Json& golden,
                   Comparison* out) {
  const std::regex pattern("n([0-9]+)_s([0-9.]+)");
  for (const auto& [name, unused] : golden.at("tensors").items()) {
    std::smatch match;
    if (!std::regex_match(name, match, pattern)) continue;
    model::FlowOptions options;
    options.num_timesteps = std::stoi(match[1]);
    options.timestep_shift = std::stod(match[2]);
    std::vector<float> times = torch_model::FlowTimes(options);
    out->CloseAbsolute(name + " end", at::tensor(times.back()),
                       at::tensor(0.0f), &Tolerances::pixels);
    times.pop_back();
    out->Close(name, at::tensor(times), goldens.Tensor(golden, name),
               &Tolerances::pixels);
  }
}

model::DenoiseSpec SpecOf(const BaseContexts& contexts,
                          const model::FlowOptions& options, image::Size size) {
  model::DenoiseSpec spec;
  spec.size = size;
  spec.options = options;
  spec.cond = contexts.cond.get();
  spec.no_text = contexts.no_text.get();
  spec.no_image = contexts.no_image.get();
  return spec;
}

std::unique_ptr<model::Denoiser> Start(torch_model::TorchModel& model,
                                       model::DenoiseSpec spec,
                                       const at::Tensor& noise) {
  RecordedNoise recorded;
  recorded.Add(noise);
  spec.noise = &recorded;
  absl::StatusOr<std::unique_ptr<model::Denoiser>> flow =
      model.StartDenoise(spec);
  Require(flow.status());
  return *std::move(flow);
}

void Step(torch_model::TorchModel& model,
          const std::vector<model::Denoiser*>& flows) {
  absl::StatusOr<std::unique_ptr<model::DenoiseStep>> step =
      model.BeginDenoiseStep(flows);
  Require(step.status());
  while (true) {
    // A layer at a time: the slices that the server makes.
    const absl::StatusOr<bool> done = (*step)->RunSlice(absl::ZeroDuration());
    Require(done.status());
    if (*done) return;
  }
}

const torch_model::TorchDenoiser& Own(const model::Denoiser& flow) {
  return static_cast<const torch_model::TorchDenoiser&>(flow);
}

// The velocity of each branch at the first step: that of a flow which it alone
// guides. The three make up the same pass as a guided flow's branches do.
void CheckBranches(const GoldenData& goldens, const Json& golden,
                   torch_model::TorchModel& model, model::DenoiseSpec spec,
                   Comparison* out) {
  const std::pair<const char*, const model::Context*> named[] = {
      {"v_cond", spec.cond},
      {"v_no_text", spec.no_text},
      {"v_no_image", spec.no_image}};
  spec.options.cfg_text_scale = 1.0;
  std::vector<std::unique_ptr<model::Denoiser>> flows;
  std::vector<model::Denoiser*> batch;
  for (const auto& [name, context] : named) {
    spec.cond = context;
    flows.push_back(Start(model, spec, goldens.Tensor(golden, "noise")));
    batch.push_back(flows.back().get());
  }
  torch_model::NetworkRecorder recorder;
  {
    const torch_model::ScopedRecorder recording(&model, &recorder);
    Step(model, batch);
  }
  for (size_t i = 0; i < flows.size(); ++i) {
    out->Close(named[i].first, Own(*flows[i]).last_velocity(),
               goldens.Tensor(golden, named[i].first), &Tolerances::branch);
  }
  const auto& cond = recorder.segments().at(0);
  out->Close("sequence_cond", cond.input,
             goldens.Tensor(golden, "sequence_cond"), &Tolerances::network);
  out->EqualValues("position_ids_cond", cond.positions,
                   goldens.Integers(golden, "position_ids_cond"));
}

image::FloatRgbImage Draw(torch_model::TorchModel& model,
                          const GoldenData& goldens, const Json& golden,
                          const BaseContexts& contexts, image::Size size,
                          at::Tensor* decoded) {
  const std::unique_ptr<model::Denoiser> flow =
      Start(model, SpecOf(contexts, FlowOptionsOf(golden), size),
            goldens.Tensor(golden, "noise"));
  while (flow->steps_done() < flow->steps_total()) Step(model, {flow.get()});
  const torch_model::TorchDenoiser& own = Own(*flow);
  *decoded = model.autoencoder().Decode(
      model.autoencoder().Unpatchify(own.x(), own.h(), own.w()));
  model::VaeDecodeItem item;
  item.denoiser = flow.get();
  Require(model.VaeDecode(absl::MakeSpan(&item, 1)));
  Require(item.status);
  return item.image;
}

}  // namespace

void CheckFlow(const GoldenData& goldens, const Json& golden,
               torch_model::TorchModel& model, Comparison* out) {
  if (golden.at("name") == "schedule") {
    CheckSchedule(goldens, golden, out);
    return;
  }
  const Json& base = BaseCase(goldens);
  const BaseContexts contexts =
      BuildBase(goldens, model, base, goldens.Image(base, "image_u8"),
                goldens.Tensor(base, "vae_noise"), nullptr);
  const model::DenoiseSpec spec =
      SpecOf(contexts, FlowOptionsOf(golden),
             {golden.at("shape").at(1), golden.at("shape").at(0)});
  if (goldens.Has(golden, "v_cond")) {
    CheckBranches(goldens, golden, model, spec, out);
  }
  const std::unique_ptr<model::Denoiser> flow =
      Start(model, spec, goldens.Tensor(golden, "noise"));
  const torch_model::TorchDenoiser& own = Own(*flow);
  const at::Tensor velocities = goldens.Tensor(golden, "v");
  std::vector<float> times;
  for (int step = 0; step < flow->steps_total(); ++step) {
    times.push_back(own.time());
    if (step + 1 == flow->steps_total()) {
      out->Close("x_last", own.x(), goldens.Tensor(golden, "x_last"),
                 &Tolerances::latents);
    }
    const bool guided = flow->next_step_branches() > 1;
    Step(model, {flow.get()});
    out->Close(absl::StrCat("v", step), own.last_velocity(),
               velocities.select(0, step),
               guided ? &Tolerances::guided : &Tolerances::branch);
  }
  out->Close("t", at::tensor(times), goldens.Tensor(golden, "t"),
             &Tolerances::pixels);
  out->Close("final", own.x(), goldens.Tensor(golden, "final"),
             &Tolerances::latents);
}

void CheckMaps(const GoldenData& goldens, const Json& golden,
               torch_model::TorchModel& model, Comparison* out) {
  const auto tensor = [&](const char* name) {
    return goldens.Tensor(golden, name);
  };
  const std::string name = golden.at("name");
  if (name == "spectral") {
    const at::Tensor ramp = tensor("depth");
    image::FloatGreyImage depth;
    depth.size = {static_cast<int>(ramp.numel()), 1};
    const auto* data = ramp.const_data_ptr<float>();
    depth.pixels.assign(data, data + ramp.numel());
    out->Equal("colour_u8", ToTensor(image::ColourDepth(depth)).squeeze(0),
               tensor("colour_u8"));
    image::RgbImage table;
    table.size = {256, 1};
    for (const auto& colour : image::SpectralTable()) {
      table.pixels.insert(table.pixels.end(), colour.begin(), colour.end());
    }
    out->Equal("table_u8", ToTensor(table).squeeze(0), tensor("table_u8"));
    return;
  }
  // A segmentation stands on the contexts of its depth map's case.
  const bool is_depth = name.rfind("depth", 0) == 0;
  const Json* source = &golden;
  if (!goldens.Has(golden, "image_u8")) {
    source = goldens.FindCase(
        "maps", absl::StrCat("depth", name.substr(name.find('_'))));
    if (source == nullptr) throw std::runtime_error("no depth case");
  }
  const image::RgbImage input = goldens.Image(*source, "image_u8");
  const BaseContexts contexts =
      BuildBase(goldens, model, BaseCase(goldens), input,
                goldens.Tensor(*source, "vae_noise"), nullptr);
  at::Tensor decoded;
  const image::FloatRgbImage drawn =
      Draw(model, goldens, golden, contexts, input.size, &decoded);
  // Guided latents through the decoder.
  out->Close("decoded", decoded, tensor("decoded"), &Tolerances::decoded);
  image::RgbImage picture;
  if (is_depth) {
    const image::FloatGreyImage depth = image::DepthOf(drawn);
    out->CloseAbsolute(
        "depth",
        at::tensor(depth.pixels).view({depth.size.height, depth.size.width}),
        tensor("depth"), &Tolerances::depth);
    picture = image::ColourDepth(depth);
  } else {
    picture = image::ToBytes(drawn);
  }
  const char* shown = is_depth ? "colour_u8" : "map_u8";
  out->Bytes(shown, ToTensor(picture), tensor(shown),
             is_depth ? &Tolerances::colours : &Tolerances::levels);
  // Tight from here on: the model looks at the golden image.
  const image::RgbImage seen =
      image::ApplyRule(goldens.Image(golden, shown), model.info().vit_rule);
  out->Equal("back/pixels_u8", ToTensor(seen), tensor("back/pixels_u8"));
  out->Close("back/features", model.vision_encoder().Encode({&seen}),
             tensor("back/features"), &Tolerances::network);
  const image::RgbImage own = image::ApplyRule(picture, model.info().vit_rule);
  out->Close("back/features of our own map",
             model.vision_encoder().Encode({&own}), tensor("back/features"),
             &Tolerances::features_of_own_map);
}

}  // namespace cooper::golden
