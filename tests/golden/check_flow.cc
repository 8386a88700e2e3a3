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

std::unique_ptr<model::Denoiser> Start(torch_model::TorchModel& model,
                                       const BaseContexts& contexts,
                                       const model::FlowOptions& options,
                                       image::Size size,
                                       const at::Tensor& noise) {
  RecordedNoise recorded;
  recorded.Add(noise);
  model::DenoiseSpec spec;
  spec.size = size;
  spec.options = options;
  spec.cond = contexts.cond.get();
  spec.no_text = contexts.no_text.get();
  spec.no_image = contexts.no_image.get();
  spec.noise = &recorded;
  absl::StatusOr<std::unique_ptr<model::Denoiser>> flow =
      model.StartDenoise(spec);
  Require(flow.status());
  return *std::move(flow);
}

// One step; returns the rows that went in first.
at::Tensor Step(torch_model::TorchModel& model, model::Denoiser* flow) {
  absl::StatusOr<std::unique_ptr<model::DenoiseStep>> step =
      model.BeginDenoiseStep(absl::MakeSpan(&flow, 1));
  Require(step.status());
  const at::Tensor sequence =
      static_cast<torch_model::TorchDenoiseStep&>(**step).FirstSequence();
  while (true) {
    // A layer at a time: the slices that the server makes.
    const absl::StatusOr<bool> done = (*step)->RunSlice(absl::ZeroDuration());
    Require(done.status());
    if (*done) return sequence;
  }
}

image::FloatRgbImage Draw(torch_model::TorchModel& model,
                          const GoldenData& goldens, const Json& golden,
                          const BaseContexts& contexts, image::Size size,
                          at::Tensor* decoded) {
  const std::unique_ptr<model::Denoiser> flow =
      Start(model, contexts, FlowOptionsOf(golden), size,
            goldens.Tensor(golden, "noise"));
  while (flow->steps_done() < flow->steps_total()) Step(model, flow.get());
  const auto& own = static_cast<const torch_model::TorchDenoiser&>(*flow);
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
  const model::FlowOptions options = FlowOptionsOf(golden);
  const image::Size size{golden.at("shape").at(1), golden.at("shape").at(0)};
  const std::unique_ptr<model::Denoiser> flow =
      Start(model, contexts, options, size, goldens.Tensor(golden, "noise"));
  const auto& own = static_cast<const torch_model::TorchDenoiser&>(*flow);
  const at::Tensor velocities = goldens.Tensor(golden, "v");
  std::vector<float> times;
  for (int step = 0; step < flow->steps_total(); ++step) {
    times.push_back(own.time());
    if (step + 1 == flow->steps_total()) {
      out->Close("x_last", own.x(), goldens.Tensor(golden, "x_last"),
                 &Tolerances::latents);
    }
    const at::Tensor sequence = Step(model, flow.get());
    if (step == 0 && goldens.Has(golden, "v_cond")) {
      const auto branch = [&](const char* name, const at::Tensor& v) {
        out->Close(name, v, goldens.Tensor(golden, name), &Tolerances::branch);
      };
      branch("v_cond", own.last_branches().cond);
      branch("v_no_text", own.last_branches().no_text);
      branch("v_no_image", own.last_branches().no_image);
      out->Close("sequence_cond", sequence,
                 goldens.Tensor(golden, "sequence_cond"), &Tolerances::network);
      out->EqualValues("position_ids_cond",
                       std::vector<int64_t>(sequence.size(0),
                                            contexts.cond->next_position()),
                       goldens.Integers(golden, "position_ids_cond"));
    }
    out->Close(absl::StrCat("v", step), own.last_velocity(),
               velocities.select(0, step),
               own.last_branches().no_text.defined() ? &Tolerances::guided
                                                     : &Tolerances::branch);
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
  out->Close("back/features", model.vision_encoder().RunStages(seen).features,
             tensor("back/features"), &Tolerances::network);
  out->Close("back/features of our own map",
             model.vision_encoder()
                 .RunStages(image::ApplyRule(picture, model.info().vit_rule))
                 .features,
             tensor("back/features"), &Tolerances::features_of_own_map);
}

}  // namespace cooper::golden
