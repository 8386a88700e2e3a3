#include "server/engine/execution/preparer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "model/image/resize.h"
#include "server/engine/core/error.h"
#include "server/engine/program/converse_program.h"
#include "server/engine/program/fixed_programs.h"
#include "server/engine/program/reasoning_program.h"
#include "server/engine/program/tags.h"

namespace cooper::engine {
namespace {

bool IsTextOnly(const Task& task) {
  const auto* reason = std::get_if<ReasonTask>(&task);
  return reason != nullptr && reason->mode == Mode::kTextOnly;
}

std::unique_ptr<Program> MakeProgram(const Task& task,
                                     std::vector<ProgramInput> inputs,
                                     ProgramOptions options) {
  if (const auto* map = std::get_if<MapTask>(&task)) {
    options.kind = map->kind;
    return std::make_unique<MapProgram>(std::move(inputs), std::move(options));
  }
  if (const auto* generate = std::get_if<GenerateTask>(&task)) {
    options.think = generate->think;
    return std::make_unique<GenerateProgram>(std::move(inputs),
                                             std::move(options));
  }
  const auto& reason = std::get<ReasonTask>(task);
  options.max_turns = reason.max_turns;
  switch (reason.mode) {
    case Mode::kTextOnly:
      return std::make_unique<TextProgram>(std::move(inputs),
                                           std::move(options));
    case Mode::kPerceiveThenAnswer:
      return std::make_unique<PerceiveProgram>(std::move(inputs),
                                               std::move(options));
    case Mode::kInterleaved:
      break;
  }
  return std::make_unique<ReasoningProgram>(std::move(inputs),
                                            std::move(options));
}

// The system text that the program of `task` puts first.
const std::string& SystemText(const Task& task, const model::Prompts& prompts) {
  static const std::string* const kNone = new std::string();
  if (const auto* generate = std::get_if<GenerateTask>(&task)) {
    return generate->think ? prompts.gen_think_system_prompt : *kNone;
  }
  const auto* reason = std::get_if<ReasonTask>(&task);
  if (reason == nullptr) return *kNone;
  switch (reason->mode) {
    case Mode::kTextOnly:
      return prompts.vlm_think_system_prompt;
    case Mode::kPerceiveThenAnswer:
      return prompts.image_reason_system_prompt;
    case Mode::kInterleaved:
      break;
  }
  return prompts.interleave_reason_system_prompt;
}

// The memory that an image takes at most until it has the size of `rule`:
// while it is decoded, and between the two passes of the resizing.
absl::StatusOr<int64_t> PrepareBytes(const ImageInput& input,
                                     const model::ImageRule& rule,
                                     const image::DecodeLimits& limits) {
  image::Size size = input.raw_size;
  int64_t decode_bytes = image::RasterBytes(size);
  if (size == image::Size{}) {
    COOPER_ASSIGN_OR_RETURN(const image::ImageHeader header,
                            image::ProbeImage(input.bytes, limits));
    COOPER_ASSIGN_OR_RETURN(decode_bytes,
                            image::PeakDecodeBytes(input.bytes, limits));
    size = header.size;
  }
  const image::Size out = image::ResizedSize(size, rule);
  // The orientation may swap the sides.
  const int64_t between =
      std::max(image::RasterBytes({out.width, size.height}),
               image::RasterBytes({size.width, out.height}));
  return decode_bytes + between + image::RasterBytes(out);
}

absl::StatusOr<image::RgbImage> Decode(const ImageInput& input,
                                       const image::DecodeLimits& limits) {
  const image::Size size = input.raw_size;
  if (size == image::Size{}) return image::DecodeImage(input.bytes, limits);
  COOPER_RETURN_IF_ERROR(image::CheckSize(size.width, size.height, limits));
  COOPER_CHECK(int64_t{3} * size.width * size.height ==
               static_cast<int64_t>(input.bytes.size()));
  return image::RgbImage{size, {input.bytes.begin(), input.bytes.end()}};
}

}  // namespace

image::Size FullMapSize(const model::ModelInfo& info) {
  const int tokens = std::min(info.vae_rule.max_size / info.latent_stride,
                              info.max_latent_side);
  return {tokens * info.latent_stride, tokens * info.latent_stride};
}

Preparer::Preparer(const model::UnifiedModel* model,
                   metrics::ServerMetrics* metrics, const base::Clock* clock,
                   image::DecodeLimits limits, int64_t decode_bytes)
    : model_(model),
      metrics_(metrics),
      clock_(clock),
      limits_(limits),
      budget_(std::make_shared<DecodeBudget>(decode_bytes, metrics)) {
  const model::Prompts& prompts = model_->info().prompts;
  for (const std::string& text :
       {prompts.vlm_think_system_prompt, prompts.gen_think_system_prompt,
        prompts.interleave_reason_system_prompt,
        prompts.image_reason_system_prompt}) {
    fixed_.push_back(Encode(text, TextOrigin::kSystem));
  }
  for (const std::string& text :
       {prompts.depth_prompt, prompts.segmentation_prompt,
        prompts.reflection_prompt, std::string(kOpenAnswer)}) {
    fixed_.push_back(Encode(text, TextOrigin::kFixed));
  }
}

Preparer::Text Preparer::Encode(std::string text, TextOrigin origin) const {
  EncodedText encoded;
  encoded.ids = model_->text_codec().Encode(
      text, origin == TextOrigin::kUser ? model::ControlText::kPlain
                                        : model::ControlText::kParse);
  encoded.part = {std::move(text), origin};
  return std::make_shared<const EncodedText>(std::move(encoded));
}

Preparer::Text Preparer::Fixed(const std::string& text) const {
  for (const Text& fixed : fixed_) {
    if (fixed->part.text == text) return fixed;
  }
  return Encode(text, TextOrigin::kFixed);
}

absl::Status Preparer::Refuse(const ImageInput& input,
                              const absl::Status& refusal) const {
  metrics_->ImageRejected(image::RejectionName(image::RejectionOf(refusal)));
  ErrorDetails details;
  details.reason = ErrorReason::kInvalidImage;
  details.field = input.field;
  return MakeError(details, absl::StrCat(input.field, ": ", refusal.message()));
}

absl::StatusOr<PreparedImage> Preparer::PrepareImage(ImageInput input,
                                                     bool latents) const {
  const model::ModelInfo& info = model_->info();
  const absl::StatusOr<int64_t> bytes =
      PrepareBytes(input, info.vae_rule, limits_);
  if (!bytes.ok()) return Refuse(input, bytes.status());
  std::optional<DecodeBudget::Lease> lease(budget_->Acquire(*bytes));
  const absl::Time start = clock_->Now();
  absl::StatusOr<image::RgbImage> raster = Decode(input, limits_);
  if (!raster.ok()) return Refuse(input, raster.status());
  PreparedImage image;
  std::string().swap(input.bytes);
  auto scaled = std::make_shared<const image::RgbImage>(
      image::ApplyRule(*raster, info.vae_rule));
  raster->pixels = {};
  lease.reset();
  image.pixels = DigestOf(*scaled);
  image.vision = std::make_shared<const image::RgbImage>(
      image::ApplyRule(*scaled, info.vit_rule));
  if (latents) image.latents = std::move(scaled);
  metrics_->PhaseRun(Phase::kDecodeImage, clock_->Now() - start);
  return image;
}

absl::StatusOr<PreparedRequest> Preparer::Prepare(Request* request) const {
  const model::ModelInfo& info = model_->info();
  const model::Prompts& prompts = info.prompts;
  const bool latents = !IsTextOnly(request->task);
  PreparedRequest prepared;
  PartTokens parts;
  int64_t encoded_images = 0;
  const SessionUse* session =
      request->session.has_value() ? &*request->session : nullptr;
  const bool resumed = session != nullptr && session->resumed;
  image::Size map_size = FullMapSize(info);
  if (resumed && session->facts.map_size.width > 0) {
    map_size = session->facts.map_size;
  }
  std::vector<ProgramInput> inputs;
  const auto add_text = [&](Text text) {
    parts.texts += static_cast<int64_t>(text->ids.size()) + model::kDelimiters;
    inputs.emplace_back(text->part);
    prepared.spec.encoded.push_back(std::move(text));
  };

  std::vector<Input> given = std::exchange(request->inputs, {});
  for (Input& input : given) {
    if (auto* text = std::get_if<TextInput>(&input)) {
      add_text(Encode(std::move(text->text), TextOrigin::kUser));
      continue;
    }
    COOPER_ASSIGN_OR_RETURN(
        PreparedImage image,
        PrepareImage(std::move(std::get<ImageInput>(input)), latents));
    if (latents) {
      map_size = image.latents->size;
      parts.images += model::LatentRows(info, map_size);
      ++encoded_images;
    }
    parts.images += model::VisionRows(info, image.vision->size);
    ++encoded_images;
    inputs.emplace_back(InputImage{prepared.images++});
    prepared.spec.images.push_back(std::move(image));
  }
  if (const auto* map = std::get_if<MapTask>(&request->task)) {
    add_text(Fixed(map->kind == model::MapKind::kDepth
                       ? prompts.depth_prompt
                       : prompts.segmentation_prompt));
  }
  if (const auto* generate = std::get_if<GenerateTask>(&request->task)) {
    if (generate->size.width > 0) map_size = generate->size;
  }

  const auto rows = [&](const std::string& text) {
    return static_cast<int64_t>(Fixed(text)->ids.size()) + model::kDelimiters;
  };
  const std::string& system = SystemText(request->task, prompts);
  if (!system.empty() && !resumed) parts.system = rows(system);
  parts.map =
      model::VisionRows(info, image::ResizedSize(map_size, info.vit_rule));
  parts.reflection = rows(prompts.reflection_prompt);
  const int64_t open_answer = rows(std::string(kOpenAnswer));
  parts.perception = rows(prompts.depth_prompt) +
                     rows(prompts.segmentation_prompt) + open_answer;
  parts.open_answer = open_answer;
  prepared.kv_tokens =
      session != nullptr
          ? ConverseKvDemand(std::get<ReasonTask>(request->task),
                             request->max_think_tokens, parts,
                             session->facts.apart)
          : KvDemand(request->task, request->max_think_tokens, parts);
  prepared.least =
      LeastWorkOf(request->task, request->flow, parts,
                  model::LatentRows(info, map_size) - model::kDelimiters);

  ProgramOptions options;
  options.prompts = prompts;
  options.max_think_tokens = request->max_think_tokens;
  options.map_size = map_size;
  options.resumed = resumed;
  // A further question does not need the same maps again.
  options.draw_maps = !resumed || prepared.images > 0;
  const PositionDemand positions =
      PositionsOf(request->task, parts, encoded_images, options.draw_maps,
                  /*converses=*/session != nullptr);
  prepared.least_positions = positions.least;
  ExecutionSpec& spec = prepared.spec;
  spec.max_positions = info.max_positions;
  spec.reserved_positions = positions.reserved;
  spec.program =
      MakeProgram(request->task, std::move(inputs), std::move(options));
  if (session != nullptr) {
    spec.program = std::make_unique<ConverseProgram>(
        std::move(spec.program), request->max_think_tokens,
        /*guidance=*/!IsTextOnly(request->task));
    spec.steering = request->steering;
    spec.keep_contexts = true;
    prepared.facts.mode = std::get<ReasonTask>(request->task).mode;
    prepared.facts.map_size = map_size;
    prepared.facts.apart =
        session->facts.apart || (latents && prepared.images > 0);
    prepared.facts.shared_tokens =
        resumed ? session->facts.shared_tokens : parts.system;
  }
  spec.sampling = request->sampling;
  spec.flow = request->flow;
  spec.preview_every = request->output.preview_every;
  spec.always_render_vision =
      std::find(request->output.roles.begin(), request->output.roles.end(),
                MapRole::kAsSeenByModel) != request->output.roles.end();
  spec.encoded.insert(spec.encoded.end(), fixed_.begin(), fixed_.end());
  return prepared;
}

}  // namespace cooper::engine
