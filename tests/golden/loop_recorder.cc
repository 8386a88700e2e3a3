#include "tests/golden/loop_recorder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <utility>

#include "model/torch/denoiser.h"
#include "tests/golden/checks.h"

namespace cooper::golden {
namespace {

using engine::Branch;

// The text that the reference decoded as its `index`th.
std::optional<std::string> GoldenText(const Json& golden, size_t index) {
  for (const Json& event : golden.at("events")) {
    if (event.at("op") == "gen_text" && index-- == 0) {
      return event.at("text").get<std::string>();
    }
  }
  return std::nullopt;
}

}  // namespace

LoopRecorder::LoopRecorder(model::UnifiedModel* model,
                           const GoldenData& goldens, const Json& golden,
                           const LoopInputs* inputs, bool feed_golden,
                           Comparison* out)
    : RecordingModel(model),
      goldens_(goldens),
      golden_(golden),
      feed_golden_(feed_golden),
      out_(out),
      events_(inputs, &info()) {}

std::string LoopRecorder::Map(const std::string& tensor) const {
  return absl::StrCat("map", maps_, "/", tensor);
}

void LoopRecorder::OnWork(const engine::Work& work) {
  if (const auto* context = std::get_if<engine::ContextWork>(&work)) {
    events_.Add(*context);
  } else if (const auto* decode = std::get_if<engine::DecodeWork>(&work)) {
    decode_ = *decode;
    events_.Add(decode_);
  } else if (const auto* denoise = std::get_if<engine::DenoiseWork>(&work)) {
    denoise_ = *denoise;
  }
}

// Scripted texts are not decoded. A text of our own may differ from the
// reference's, and all that follows with it: unless texts are exact, the run
// goes on with the reference's.
std::optional<std::string> LoopRecorder::KnownText() {
  const size_t index = events_.decodes() - 1;
  const Json& script = golden_.at("script");
  if (script.is_array() && index < script.size() && script[index].is_string()) {
    return script[index].get<std::string>();
  }
  return out_->tolerances().exact_texts ? std::nullopt
                                        : GoldenText(golden_, index);
}

absl::Status LoopRecorder::Decode(absl::Span<model::DecodeItem> items) {
  for (const model::DecodeItem& item : items) {
    events_.See(decode_.from, HistoryOf(*item.context));
  }
  return RecordingModel::Decode(items);
}

absl::StatusOr<std::unique_ptr<model::Denoiser>> LoopRecorder::StartDenoise(
    const model::DenoiseSpec& spec) {
  events_.Add(denoise_, spec);
  events_.See(Branch::kCond, HistoryOf(*spec.cond));
  events_.See(Branch::kNoText, HistoryOf(*spec.no_text));
  events_.See(Branch::kNoImage, HistoryOf(*spec.no_image));
  CheckNorms(Map("cond"), *spec.cond);
  CheckNorms(Map("no_text"), *spec.no_text);
  CheckNorms(Map("no_image"), *spec.no_image);
  return RecordingModel::StartDenoise(spec);
}

absl::StatusOr<std::unique_ptr<model::Step>> LoopRecorder::BeginVaeDecode(
    absl::Span<model::VaeDecodeItem> items) {
  for (const model::VaeDecodeItem& item : items) {
    out_->Close(
        Map("latent"),
        static_cast<const torch_model::TorchDenoiser&>(*item.denoiser).x(),
        goldens_.Tensor(golden_, Map("latent")),
        tight() ? &Tolerances::latents : &Tolerances::latents_after_own_map);
  }
  return RecordingModel::BeginVaeDecode(items);
}

std::shared_ptr<const engine::DrawnMap> LoopRecorder::Show(
    std::shared_ptr<const engine::DrawnMap> map) {
  if (goldens_.Has(golden_, Map("depth"))) {
    out_->CloseAbsolute(
        Map("depth"),
        at::tensor(map->depth.pixels)
            .view({map->depth.size.height, map->depth.size.width}),
        goldens_.Tensor(golden_, Map("depth")),
        tight() ? &Tolerances::depth : &Tolerances::depth_after_own_map);
  }
  if (goldens_.Has(golden_, Map("image_u8"))) {
    if (tight()) {
      out_->Bytes(Map("image_u8"), ToTensor(map->picture),
                  goldens_.Tensor(golden_, Map("image_u8")),
                  goldens_.Has(golden_, Map("depth")) ? &Tolerances::colours
                                                      : &Tolerances::levels);
    }
    if (feed_golden_) {
      auto shown = std::make_shared<engine::DrawnMap>(*map);
      shown->picture = goldens_.Image(golden_, Map("image_u8"));
      if (map->vision != nullptr) {
        engine::RenderVision(info().vae_rule, info().vit_rule, shown.get());
      }
      map = std::move(shown);
    }
  }
  ++maps_;
  return map;
}

void LoopRecorder::CheckNorms(const std::string& name,
                              const model::Context& context) {
  Limit Tolerances::* const limit = maps_ == 0 ? &Tolerances::norms
                                    : feed_golden_
                                        ? &Tolerances::norms_after_map
                                        : &Tolerances::norms_after_own_map;
  if (goldens_.Has(golden_, name + "/k_norms")) {
    out_->Close(name + "/k_norms", KeyNorms(context),
                goldens_.Tensor(golden_, name + "/k_norms"), limit);
    out_->Close(name + "/v_norms", ValueNorms(context),
                goldens_.Tensor(golden_, name + "/v_norms"), limit);
  }
}

void LoopRecorder::Finish(engine::Execution* execution) {
  const engine::SessionContexts contexts = execution->TakeKept();
  events_.See(Branch::kCond, HistoryOf(*contexts.cond));
  if (contexts.no_image != nullptr) {
    events_.See(Branch::kNoImage, HistoryOf(*contexts.no_image));
  }
  const Json& end = golden_.at("end");
  out_->EqualValues("end kv", contexts.cond->cache_length(),
                    end.at("kv").get<int64_t>());
  out_->EqualValues("end rope", contexts.cond->next_position(),
                    end.at("rope").get<int64_t>());
  CheckNorms("end", *contexts.cond);
  const Json& response = golden_.at("response");
  if (response.is_string()) {
    out_->EqualValues("response", execution->finish().answer,
                      response.get<std::string>());
  }
  events_.Check(golden_.at("events"), out_);
}

engine::Work RecordedProgram::Next() {
  while (true) {
    engine::Work work = program_->Next();
    recorder_->OnWork(work);
    if (!std::holds_alternative<engine::DecodeWork>(work)) return work;
    std::optional<std::string> known = recorder_->KnownText();
    if (!known.has_value()) return work;
    OnText({.raw = *std::move(known)});
  }
}

void RecordedProgram::OnText(const engine::DecodedText& text) {
  recorder_->OnText(text.raw);
  program_->OnText(text);
}

}  // namespace cooper::golden
