#include "server/engine/execution/execution.h"

#include <algorithm>

#include "base/check.h"
#include "server/engine/core/error.h"

namespace cooper::engine {

namespace {

// What a single item's failure means to its request.
absl::Status ItemError(const absl::Status& status) {
  ErrorDetails details;
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
      details.reason = ErrorReason::kMemoryPressure;
      details.retry_after = absl::Seconds(1);
      break;
    case absl::StatusCode::kInvalidArgument:
      details.reason = ErrorReason::kInvalidArgument;
      break;
    case absl::StatusCode::kInternal:
      details.reason = ErrorReason::kNumeric;
      break;
    default:
      details.reason = ErrorReason::kEngine;
  }
  return MakeError(details, status.message());
}

// The most tokens, bos counted, that a text after `from` may have; may be
// negative.
int64_t TextRoom(const ExecutionSpec& spec, const DecodeWork& work,
                 const model::Context& from) {
  if (spec.max_positions == 0) return work.max_tokens;
  const int64_t reserved =
      work.channel == TextChannel::kAnswer ? 0 : spec.reserved_positions;
  constexpr int64_t kEos = 1;
  return std::min<int64_t>(
      work.max_tokens,
      spec.max_positions - from.next_position() - reserved - kEos);
}

}  // namespace

Execution::Execution(model::UnifiedModel* model, ExecutionSpec spec,
                     ExecutionObserver* observer)
    : model_(model),
      spec_(std::move(spec)),
      observer_(observer),
      segments_(&model->text_codec(), &spec_),
      appender_(&model->info(), &segments_, spec_.prefixes, spec_.prefix_root),
      decoder_(&model->text_codec(), observer) {
  if (spec_.contexts.cond != nullptr) {
    totals_.input_tokens = spec_.contexts.cond->cache_length();
    totals_.cached_tokens = totals_.input_tokens;
  }
  context(Branch::kCond) = std::move(spec_.contexts.cond);
  context(Branch::kNoImage) = std::move(spec_.contexts.no_image);
  Advance();
}

Execution::~Execution() = default;

void Execution::Fail(absl::Status status) {
  failed_in_ = last_phase();
  state_ = State::kFailed;
  status_ = std::move(status);
  appender_.Reset();
  for (auto& context : contexts_) context.reset();
  decoder_.TakeScratch();
}

// Asks for work until some of it needs the driver.
void Execution::Advance() {
  bool waits = false;
  while (!waits) {
    ApplySteering();
    Work work = spec_.program->Next();
    waits = std::visit([this](auto& w) { return Begin(std::move(w)); }, work);
  }
}

void Execution::ApplySteering() {
  if (spec_.steering == nullptr) return;
  if (spec_.steering->answer_now) spec_.program->OnAnswerNow();
  if (spec_.steering->no_more_maps) spec_.program->OnNoMoreMaps();
}

void Execution::KeepContexts() {
  kept_.cond = context(Branch::kCond)->Fork();
  const auto& no_image = context(Branch::kNoImage);
  kept_.no_image = no_image == nullptr ? nullptr : no_image->Fork();
}

model::Context* Execution::Ensure(Branch branch) {
  if (context(branch) == nullptr) context(branch) = model_->NewContext();
  return context(branch).get();
}

// ---- Prompts

bool Execution::Begin(ContextWork work) {
  for (const ContextOp& op : work.ops) {
    const auto* append = std::get_if<PrefillOp>(&op);
    Ensure(append != nullptr ? append->branch : std::get<ForkOp>(op).from);
  }
  appender_.Begin(std::move(work.ops), std::move(contexts_),
                  decoder_.TakeScratch());
  totals_.input_tokens += appender_.input_rows();
  state_ = State::kPrefill;
  return !EndedPrefill();
}

int64_t Execution::TakePrefills(int64_t max_rows,
                                std::vector<model::PrefillItem>* items) {
  COOPER_CHECK(state_ == State::kPrefill);
  return appender_.Take(max_rows, items);
}

void Execution::OnPrefilled(absl::Span<const model::PrefillItem> items) {
  const absl::Status status = appender_.OnPrefilled(items);
  if (!status.ok()) return Fail(ItemError(status));
  if (EndedPrefill()) Advance();
}

void Execution::RetryPrefill() {
  COOPER_CHECK(state_ == State::kPrefill && appender_.in_call());
  segments_.RewindNoise();
}

bool Execution::EndedPrefill() {
  if (!appender_.Advance()) return false;
  totals_.cached_tokens += appender_.cached_rows();
  contexts_ = appender_.TakeContexts();
  segments_.Clear();
  if (spec_.keep_contexts && !inputs_done_) {
    inputs_done_ = true;
    KeepContexts();
  }
  return true;
}

// ---- Text

bool Execution::Begin(DecodeWork work) {
  model::Context* from = Ensure(work.from);
  const int64_t room = TextRoom(spec_, work, *from);
  work.max_tokens = static_cast<int>(std::max<int64_t>(room, 0));
  if (work.max_tokens == 0) {  // the text is empty
    decoder_.TakeScratch();
    EndText({.hit_limit = true});
    return false;
  }
  decoder_.Begin(work, *from);
  state_ = State::kDecode;
  return true;
}

model::DecodeItem Execution::TakeDecode() {
  model::DecodeItem item;
  item.context = decoder_.context();
  item.token = decoder_.last();
  item.sampling = spec_.sampling;
  item.noise = spec_.noise.get();
  return item;
}

void Execution::OnDecoded(const model::DecodeItem& item) {
  COOPER_CHECK(state_ == State::kDecode);
  if (!item.status.ok()) return Fail(ItemError(item.status));
  bool interrupted = false;
  if (decoder_.Push(item.next)) {
    ++totals_.output_tokens;
    interrupted = EndsText();
  }
  if (!decoder_.ended() && !interrupted) return;
  EndText(decoder_.Finish(interrupted));
  Advance();
}

bool Execution::EndsText() {
  ApplySteering();
  // The program is asked only if the client wants the answer now.
  return spec_.steering != nullptr && spec_.steering->answer_now &&
         spec_.program->EndsText(decoder_.written());
}

void Execution::EndText(const DecodedText& text) {
  ++totals_.turns;
  spec_.program->OnText(text);
}

// ---- Maps

bool Execution::Begin(DenoiseWork work) {
  denoise_work_ = std::move(work);
  for (const Branch branch :
       {Branch::kCond, Branch::kNoText, Branch::kNoImage}) {
    Ensure(branch);
  }
  state_ = State::kDenoiseStart;
  return true;
}

absl::Status Execution::StartDenoise() {
  COOPER_CHECK(state_ == State::kDenoiseStart);
  model::DenoiseSpec spec;
  spec.size = denoise_work_.size;
  spec.options = spec_.flow;
  spec.cond = context(Branch::kCond).get();
  spec.no_text = context(Branch::kNoText).get();
  spec.no_image = context(Branch::kNoImage).get();
  if (!denoise_noise_.has_value()) denoise_noise_.emplace(spec_.noise.get());
  denoise_noise_->Rewind();
  spec.noise = &*denoise_noise_;
  absl::StatusOr<std::unique_ptr<model::Denoiser>> denoiser =
      model_->StartDenoise(spec);
  if (!denoiser.ok()) {
    if (!absl::IsInvalidArgument(denoiser.status())) return denoiser.status();
    Fail(ItemError(denoiser.status()));
    return absl::OkStatus();
  }
  denoise_noise_.reset();
  denoiser_ = *std::move(denoiser);
  context(Branch::kNoText).reset();  // the denoiser holds a fork
  observer_->OnMapStarted({denoise_work_.map_id, denoise_work_.kind,
                           denoise_work_.size, denoiser_->steps_total(),
                           denoise_work_.request_text});
  state_ = State::kDenoiseStep;
  return absl::OkStatus();
}

int64_t Execution::denoise_rows() const {
  return int64_t{denoiser_->latent_tokens()} * denoiser_->next_step_branches();
}

void Execution::OnDenoiseStep() {
  COOPER_CHECK(state_ == State::kDenoiseStep);
  ++totals_.denoise_steps;
  const int step = denoiser_->steps_done();
  const bool done = step >= denoiser_->steps_total();
  preview_ =
      !done && spec_.preview_every > 0 && step % spec_.preview_every == 0;
  if (!preview_) {
    observer_->OnMapStep(denoise_work_.map_id, step, denoiser_->steps_total(),
                         std::nullopt);
  }
  state_ = preview_ || done ? State::kVaeDecode : State::kDenoiseStep;
}

model::VaeDecodeItem Execution::TakeVaeDecode() {
  model::VaeDecodeItem item;
  item.denoiser = denoiser_.get();
  item.estimate = preview_ ? model::LatentEstimate::kPredictedFinal
                           : model::LatentEstimate::kCurrent;
  return item;
}

void Execution::OnVaeDecoded(model::VaeDecodeItem item) {
  COOPER_CHECK(state_ == State::kVaeDecode);
  if (!item.status.ok()) return Fail(ItemError(item.status));
  if (preview_) {
    preview_ = false;
    observer_->OnMapStep(denoise_work_.map_id, denoiser_->steps_done(),
                         denoiser_->steps_total(), std::move(item.image));
    state_ = State::kDenoiseStep;
    return;
  }
  decoded_ = std::move(item.image);
  denoiser_.reset();
  state_ = State::kRender;
}

std::function<std::shared_ptr<const DrawnMap>()> Execution::TakeRender() {
  COOPER_CHECK(state_ == State::kRender);
  auto map = std::make_shared<DrawnMap>();
  map->map_id = denoise_work_.map_id;
  map->kind = denoise_work_.kind;
  map->decoded = std::move(decoded_);
  const bool vision = denoise_work_.fed_back || spec_.always_render_vision;
  return [map, vision, vae_rule = model_->info().vae_rule,
          vit_rule =
              model_->info().vit_rule]() -> std::shared_ptr<const DrawnMap> {
    RenderPicture(map.get());
    if (vision) RenderVision(vae_rule, vit_rule, map.get());
    return map;
  };
}

void Execution::OnRendered(const std::shared_ptr<const DrawnMap>& map) {
  COOPER_CHECK(state_ == State::kRender);
  ++totals_.maps;
  segments_.AddMap(map->vision);
  observer_->OnMapDrawn(map);
  Advance();
}

// ---- End

bool Execution::Begin(FinishWork work) {
  finish_ = std::move(work);
  if (spec_.keep_contexts) KeepContexts();
  for (auto& context : contexts_) context.reset();
  decoder_.TakeScratch();
  state_ = State::kFinished;
  return true;
}

}  // namespace cooper::engine
