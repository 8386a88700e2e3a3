#include "server/engine/execution/execution.h"

#include "base/check.h"
#include "server/engine/core/error.h"

namespace cooper::engine {

// What a single item's failure means to its request.
absl::Status Execution::ItemError(const absl::Status& status) {
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

Execution::Execution(model::UnifiedModel* model, ExecutionSpec spec,
                     ExecutionObserver* observer, ExecutionProbe* probe)
    : model_(model),
      spec_(std::move(spec)),
      observer_(observer),
      probe_(probe) {
  if (spec_.contexts.cond != nullptr) {
    totals_.input_tokens = spec_.contexts.cond->cache_length();
    totals_.cached_tokens = totals_.input_tokens;
  }
  context(Slot::kCond) = std::move(spec_.contexts.cond);
  context(Slot::kNoImage) = std::move(spec_.contexts.no_image);
  Advance();
}

Execution::~Execution() = default;

void Execution::Fail(absl::Status status) {
  failed_in_ = last_phase();
  state_ = State::kFailed;
  status_ = std::move(status);
  appending_ = {};
  for (auto& context : contexts_) context.reset();
  scratch_.reset();
}

// Asks for work until some of it needs the driver.
void Execution::Advance() {
  bool waits = false;
  while (!waits) {
    TakeWishes();
    Work work = spec_.program->Next();
    waits = std::visit([this](auto& w) { return Begin(std::move(w)); }, work);
  }
}

void Execution::TakeWishes() {
  if (spec_.steering == nullptr) return;
  if (spec_.steering->answer_now) spec_.program->OnAnswerNow();
  if (spec_.steering->no_more_maps) spec_.program->OnNoMoreMaps();
}

void Execution::KeepContexts() {
  kept_.cond = context(Slot::kCond)->Fork();
  const auto& no_image = context(Slot::kNoImage);
  kept_.no_image = no_image == nullptr ? nullptr : no_image->Fork();
}

model::Context* Execution::Ensure(Slot slot) {
  if (context(slot) == nullptr) context(slot) = model_->NewContext();
  return context(slot).get();
}

// ---- Text

int64_t Execution::TextRoom(const DecodeWork& work,
                            const model::Context& from) const {
  if (spec_.max_positions == 0) return work.max_tokens;
  const int64_t reserved =
      work.channel == TextChannel::kAnswer ? 0 : spec_.reserved_positions;
  constexpr int64_t kEos = 1;
  return std::min<int64_t>(
      work.max_tokens,
      spec_.max_positions - from.next_position() - reserved - kEos);
}

bool Execution::Begin(DecodeWork work) {
  model::Context* from = Ensure(work.from);
  const int64_t room = TextRoom(work, *from);
  work.max_tokens = static_cast<int>(std::max<int64_t>(room, 0));
  decoding_ = Decoding{};
  decoding_.stream =
      std::make_unique<TextStream>(&model_->text_codec(), work.channel);
  decoding_.work = work;
  if (probe_ != nullptr) {
    if (std::optional<std::string> text = probe_->ReplaceText(work, *from)) {
      Emit(decoding_.stream->PushText(*text));
      EndText(DecodedText{*std::move(text), {}, /*hit_limit=*/false});
      return false;
    }
  }
  if (work.max_tokens == 0) {
    scratch_.reset();
    EndText(DecodedText{"", {}, /*hit_limit=*/true});
    return false;
  }
  decoding_.last = model_->text_codec().special().bos;
  scratch_ = Scratch{};
  scratch_->parent = from->lineage();
  context(Slot::kScratch) = from->Fork();
  state_ = State::kDecode;
  return true;
}

model::DecodeItem Execution::TakeDecode() {
  model::DecodeItem item;
  item.context = context(Slot::kScratch).get();
  item.token = decoding_.last;
  item.sampling = spec_.sampling;
  item.noise = spec_.noise.get();
  return item;
}

// Upstream's loop: N rounds put bos and N - 1 tokens into the cache; the token
// that the last round chose counts only if it is eos.
void Execution::OnDecoded(const model::DecodeItem& item) {
  COOPER_CHECK(state_ == State::kDecode);
  if (!item.status.ok()) return Fail(ItemError(item.status));
  scratch_->ids.push_back(decoding_.last);
  const bool eos = item.next == model_->text_codec().special().eos;
  bool interrupted = false;
  const bool full =
      static_cast<int>(scratch_->ids.size()) >= decoding_.work.max_tokens;
  if (!eos && !full) {
    decoding_.last = item.next;
    MarkTag();
    decoding_.ids.push_back(item.next);
    ++totals_.output_tokens;
    observer_->OnToken(decoding_.work.turn);
    Emit(decoding_.stream->Push(item.next));
    interrupted = EndsText();
    if (!decoding_.stream->ended() && !interrupted) return;
  }
  DecodedText text;
  text.raw = model_->text_codec().Decode(decoding_.ids);
  text.interrupted = interrupted;
  text.ids = std::move(decoding_.ids);
  text.hit_limit = !eos && full;
  EndText(text);
  Advance();
}

// What the text says before a tag is needed without it, too (kNoText): a fork
// is kept wherever one may begin, so that nothing is encoded again.
void Execution::MarkTag() {
  constexpr size_t kMarks = 4;  // of a tag, its end, and what looks like them
  if (model_->text_codec().Decode({decoding_.last}).find('<') ==
      std::string::npos) {
    return;
  }
  std::deque<Mark>& marks = scratch_->marks;
  marks.push_back({scratch_->ids.size(), context(Slot::kScratch)->Fork()});
  if (marks.size() > kMarks) marks.pop_front();
}

bool Execution::EndsText() {
  TakeWishes();
  // Looked at for every token only where somebody waits for the answer.
  return spec_.steering != nullptr && spec_.steering->answer_now &&
         spec_.program->EndsText(model_->text_codec().Decode(decoding_.ids));
}

void Execution::Emit(std::vector<TextDelta> deltas) {
  for (TextDelta& delta : deltas) {
    observer_->OnTextDelta(
        {decoding_.work.turn, delta.channel, std::move(delta.text)});
  }
}

void Execution::EndText(const DecodedText& text) {
  Emit(decoding_.stream->Finish());
  ++totals_.turns;
  spec_.program->OnText(text);
}

// ---- Maps

bool Execution::Begin(FlowWork work) {
  flow_work_ = std::move(work);
  for (const Slot slot : {Slot::kCond, Slot::kNoText, Slot::kNoImage}) {
    Ensure(slot);
  }
  if (probe_ != nullptr) {
    probe_->OnFlow(flow_work_, *context(Slot::kCond), *context(Slot::kNoText),
                   *context(Slot::kNoImage));
  }
  state_ = State::kFlowStart;
  return true;
}

absl::Status Execution::StartFlow() {
  COOPER_CHECK(state_ == State::kFlowStart);
  model::FlowSpec spec;
  spec.size = flow_work_.size;
  spec.options = spec_.flow;
  spec.cond = context(Slot::kCond).get();
  spec.no_text = context(Slot::kNoText).get();
  spec.no_image = context(Slot::kNoImage).get();
  if (!flow_noise_.has_value()) flow_noise_.emplace(spec_.noise.get());
  flow_noise_->Rewind();
  spec.noise = &*flow_noise_;
  absl::StatusOr<std::unique_ptr<model::Flow>> flow = model_->StartFlow(spec);
  if (!flow.ok()) {
    if (!absl::IsInvalidArgument(flow.status())) return flow.status();
    Fail(ItemError(flow.status()));
    return absl::OkStatus();
  }
  flow_noise_.reset();
  flow_ = *std::move(flow);
  context(Slot::kNoText).reset();  // the flow holds a fork
  observer_->OnMapStarted({flow_work_.map_id, flow_work_.kind, flow_work_.size,
                           flow_->steps_total(), flow_work_.request_text});
  state_ = State::kFlowStep;
  return absl::OkStatus();
}

int64_t Execution::flow_rows() const {
  return int64_t{flow_->latent_tokens()} * flow_->next_step_branches();
}

void Execution::OnFlowStep() {
  COOPER_CHECK(state_ == State::kFlowStep);
  ++totals_.flow_steps;
  const int step = flow_->steps_done();
  const bool done = step >= flow_->steps_total();
  preview_ =
      !done && spec_.preview_every > 0 && step % spec_.preview_every == 0;
  if (!preview_) {
    observer_->OnMapStep(flow_work_.map_id, step, flow_->steps_total(),
                         std::nullopt);
  }
  state_ = preview_ || done ? State::kLatents : State::kFlowStep;
}

model::DecodeLatentsItem Execution::TakeLatents() {
  model::DecodeLatentsItem item;
  item.flow = flow_.get();
  item.estimate = preview_ ? model::LatentEstimate::kPredictedFinal
                           : model::LatentEstimate::kCurrent;
  return item;
}

void Execution::OnLatents(model::DecodeLatentsItem item) {
  COOPER_CHECK(state_ == State::kLatents);
  if (!item.status.ok()) return Fail(ItemError(item.status));
  if (preview_) {
    preview_ = false;
    observer_->OnMapStep(flow_work_.map_id, flow_->steps_done(),
                         flow_->steps_total(), std::move(item.image));
    state_ = State::kFlowStep;
    return;
  }
  if (probe_ != nullptr) probe_->OnFlowDone(flow_work_, *flow_, item.image);
  decoded_ = std::move(item.image);
  flow_.reset();
  state_ = State::kRender;
}

std::function<std::shared_ptr<const DrawnMap>()> Execution::TakeRender() {
  COOPER_CHECK(state_ == State::kRender);
  auto map = std::make_shared<DrawnMap>();
  map->map_id = flow_work_.map_id;
  map->kind = flow_work_.kind;
  map->decoded = std::move(decoded_);
  const bool vision = flow_work_.fed_back || spec_.always_render_vision;
  return [map, vision, vae_rule = model_->info().vae_rule,
          vit_rule = model_->info().vit_rule, probe = probe_,
          work = flow_work_]() -> std::shared_ptr<const DrawnMap> {
    RenderPicture(map.get());
    if (probe != nullptr) probe->OnPicture(work, map.get());
    if (vision) RenderVision(vae_rule, vit_rule, map.get());
    return map;
  };
}

void Execution::OnRendered(const std::shared_ptr<const DrawnMap>& map) {
  COOPER_CHECK(state_ == State::kRender);
  ++totals_.maps;
  maps_.push_back(map->vision);
  observer_->OnMapDrawn(map);
  Advance();
}

// ---- End

bool Execution::Begin(FinishWork work) {
  finish_ = std::move(work);
  if (probe_ != nullptr) probe_->OnFinish(finish_, contexts_);
  if (spec_.keep_contexts) KeepContexts();
  for (auto& context : contexts_) context.reset();
  scratch_.reset();
  maps_.clear();
  state_ = State::kFinished;
  return true;
}

}  // namespace cooper::engine
