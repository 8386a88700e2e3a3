// The part of Execution that puts segments onto contexts.

#include <algorithm>

#include "base/check.h"
#include "server/engine/execution/execution.h"
#include "server/engine/memory/prefix_key.h"

namespace cooper::engine {
namespace {

using model::TokenId;

ContextCounters CountersOf(const model::Context& context) {
  return {context.cache_length(), context.next_position()};
}

size_t Index(Slot slot) { return static_cast<size_t>(slot); }

bool IsModelText(const PromptSegment& segment) {
  const auto* text = std::get_if<TextPart>(&segment);
  return text != nullptr && text->origin == TextOrigin::kModel;
}

}  // namespace

std::vector<TokenId> Execution::TextIds(const TextPart& part) const {
  const model::SpecialTokens& special = model_->text_codec().special();
  std::vector<TokenId> ids = {special.bos};
  const auto known =
      std::find_if(spec_.encoded.begin(), spec_.encoded.end(),
                   [&](const auto& encoded) { return encoded->part == part; });
  const std::vector<TokenId> encoded =
      known != spec_.encoded.end()
          ? (*known)->ids
          : model_->text_codec().Encode(part.text,
                                        part.origin == TextOrigin::kUser
                                            ? spec_.user_text
                                            : model::ControlText::kParse);
  ids.insert(ids.end(), encoded.begin(), encoded.end());
  ids.push_back(special.eos);
  return ids;
}

model::Segment Execution::MakeSegment(const PromptSegment& segment) {
  if (const auto* text = std::get_if<TextPart>(&segment)) {
    return model::TextSegment{TextIds(*text)};
  }
  if (const auto* latent = std::get_if<LatentPart>(&segment)) {
    const PreparedImage& image = spec_.images.at(latent->image);
    appending_.noises.push_back(
        image.pixels.has_value()
            ? std::make_unique<model::ReplayedNoise>(
                  std::make_unique<model::SeededNoise>(
                      ImageSeed(*image.pixels)))
            : std::make_unique<model::ReplayedNoise>(spec_.noise.get()));
    return model::LatentImageSegment{image.latents,
                                     appending_.noises.back().get()};
  }
  const auto& vision = std::get<VisionPart>(segment);
  return model::VisionImageSegment{vision.source == VisionPart::Source::kInput
                                       ? spec_.images.at(vision.index).vision
                                       : maps_.at(vision.index)};
}

// The slot whose text `ids` begin with and go on. A mark that fits becomes
// kScratchStart, the first time.
std::optional<Slot> Execution::StartOf(const std::vector<TokenId>& ids) {
  const std::vector<TokenId>& text = scratch_->ids;
  const auto begins_with = [&](size_t tokens) {
    return ids.size() > tokens &&
           std::equal(text.begin(),
                      text.begin() + static_cast<std::ptrdiff_t>(tokens),
                      ids.begin());
  };
  if (begins_with(text.size())) return Slot::kScratch;
  if (context(Slot::kScratchStart) != nullptr) {
    return begins_with(scratch_->start_tokens)
               ? std::optional(Slot::kScratchStart)
               : std::nullopt;
  }
  for (auto mark = scratch_->marks.rbegin(); mark != scratch_->marks.rend();
       ++mark) {
    if (!begins_with(mark->tokens)) continue;
    scratch_->start_tokens = mark->tokens;
    context(Slot::kScratchStart) = std::move(mark->context);
    scratch_->marks.clear();
    return Slot::kScratchStart;
  }
  return std::nullopt;
}

bool Execution::Begin(ContextWork work) {
  appending_ = Appending{};
  appending_.ops = std::move(work.ops);
  const size_t ops = appending_.ops.size();
  for (const ContextOp& op : appending_.ops) {
    if (const auto* append = std::get_if<AppendOp>(&op)) {
      Ensure(append->slot);
    } else {
      Ensure(std::get<ForkOp>(op).from);
    }
  }
  // Segments of the ops; equal texts are encoded once.
  appending_.segments.resize(ops);
  std::vector<std::optional<Slot>> starts_with(ops);
  for (size_t i = 0; i < ops; ++i) {
    const auto* append = std::get_if<AppendOp>(&appending_.ops[i]);
    if (append == nullptr) continue;
    for (size_t j = 0; j <= i; ++j) {
      const auto* earlier = std::get_if<AppendOp>(&appending_.ops[j]);
      if (j == i) {
        appending_.segments[i] = MakeSegment(append->segment);
      } else if (earlier != nullptr && earlier->segment == append->segment &&
                 std::holds_alternative<TextPart>(append->segment)) {
        appending_.segments[i] = appending_.segments[j];
        break;
      }
    }
    if (append->slot == Slot::kCond && !IsModelText(append->segment)) {
      totals_.input_tokens += SegmentRows(appending_.segments[i]);
    }
    if (scratch_.has_value() && IsModelText(append->segment)) {
      starts_with[i] =
          StartOf(std::get<model::TextSegment>(appending_.segments[i]).ids);
    }
  }

  ContextSlots slots;
  for (size_t i = 0; i < kSlots; ++i) {
    slots.exists[i] = contexts_[i] != nullptr;
    if (!slots.exists[i]) continue;
    slots.lineage[i] = contexts_[i]->lineage();
    appending_.before[i] = CountersOf(*contexts_[i]);
  }
  if (scratch_.has_value()) slots.scratch_parent = scratch_->parent;
  appending_.plan = PlanContextOps(appending_.ops, slots, starts_with);
  appending_.after.resize(ops);
  appending_.cached.resize(ops);
  appending_.registers.resize(appending_.plan.registers);
  appending_.keys.resize(appending_.plan.registers);
  for (size_t i = 0; i < kSlots; ++i) {
    if (contexts_[i] != nullptr && contexts_[i]->cache_length() == 0) {
      appending_.keys[i] = EmptyPrefix();
    }
    appending_.registers[i] = std::move(contexts_[i]);
  }
  for (const ContextStep& step : appending_.plan.steps) {
    if (step.kind != ContextStep::Kind::kAppendTail) continue;
    auto& ids = std::get<model::TextSegment>(appending_.segments[step.op]).ids;
    const size_t had = step.to == static_cast<int>(Slot::kScratch)
                           ? scratch_->ids.size()
                           : scratch_->start_tokens;
    ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(had));
  }
  state_ = State::kAppend;
  return !EndedAppending();
}

int64_t Execution::SegmentRows(const model::Segment& segment) const {
  const model::ModelInfo& info = model_->info();
  const auto tiles = [](image::Size size, int64_t side) {
    return size.width / side * (size.height / side) + 2;
  };
  if (const auto* text = std::get_if<model::TextSegment>(&segment)) {
    return static_cast<int64_t>(text->ids.size());
  }
  if (const auto* latent = std::get_if<model::LatentImageSegment>(&segment)) {
    return tiles(latent->image->size, info.latent_stride);
  }
  return tiles(std::get<model::VisionImageSegment>(segment).image->size,
               info.vit_patch);
}

void Execution::Fork(const ContextStep& step) {
  appending_.registers[step.to] = appending_.registers[step.from]->Fork();
  appending_.keys[step.to] = appending_.keys[step.from];
}

int64_t Execution::append_rows() const {
  const std::vector<ContextStep>& steps = appending_.plan.steps;
  std::vector<bool> pending(appending_.registers.size());
  std::vector<bool> at_border(appending_.registers.size());
  int64_t rows = 0;
  for (size_t i = appending_.next_step; i < steps.size();) {
    if (steps[i].kind == ContextStep::Kind::kFork) {
      if (pending[steps[i++].from]) break;
      continue;
    }
    if (at_border[steps[i].to]) break;
    const Piece piece = PieceAt(i);
    pending[steps[i].to] = true;
    at_border[steps[i].to] = piece.key.has_value();
    rows += piece.rows;
    i += piece.steps;
  }
  return rows;
}

int64_t Execution::TakeAppends(int64_t max_rows,
                               std::vector<model::AppendItem>* items) {
  COOPER_CHECK(state_ == State::kAppend && appending_.in_call.empty());
  if (probe_ != nullptr) max_rows = 0;  // one at a time
  const std::vector<ContextStep>& steps = appending_.plan.steps;
  std::vector<bool> pending(appending_.registers.size());
  int64_t rows = 0;
  while (appending_.next_step < steps.size()) {
    const ContextStep& step = steps[appending_.next_step];
    if (step.kind == ContextStep::Kind::kFork) {
      if (pending[step.from]) break;
      Fork(step);
      ++appending_.next_step;
      continue;
    }
    const Piece piece = PieceAt(appending_.next_step);
    if (!pending[step.to] && TakeCached()) continue;
    const bool fits = rows + piece.rows <= max_rows;
    if (!fits && !appending_.in_call.empty()) break;
    if (!MayTake(step.to, piece)) break;
    rows += piece.rows;
    pending[step.to] = true;
    for (size_t i = 0; i < piece.steps; ++i) {
      const size_t taken = appending_.next_step++;
      appending_.in_call.push_back(taken);
      items->push_back({appending_.registers[step.to].get(),
                        &appending_.segments[steps[taken].op],
                        {}});
    }
  }
  return rows;
}

void Execution::OnAppended(absl::Span<const model::AppendItem> items) {
  COOPER_CHECK(items.size() == appending_.in_call.size());
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].status.ok()) return Fail(ItemError(items[i].status));
    const ContextStep& step = appending_.plan.steps[appending_.in_call[i]];
    appending_.after[step.op] = CountersOf(*items[i].context);
  }
  appending_.in_call.clear();
  KeepClaims();
  if (EndedAppending()) Advance();
}

void Execution::RetryAppends() {
  COOPER_CHECK(state_ == State::kAppend && !appending_.in_call.empty());
  for (const auto& noise : appending_.noises) noise->Rewind();
}

// Runs the forks that come next, and takes what is cached; when nothing else is
// left, puts the contexts back into their slots.
bool Execution::EndedAppending() {
  const std::vector<ContextStep>& steps = appending_.plan.steps;
  while (appending_.next_step < steps.size()) {
    const ContextStep& step = steps[appending_.next_step];
    if (step.kind == ContextStep::Kind::kFork) {
      Fork(step);
      ++appending_.next_step;
    } else if (!TakeCached()) {
      return false;
    }
  }
  CountCached();
  for (size_t i = 0; i < kSlots; ++i) {
    const int held = appending_.plan.slots[i];
    contexts_[i] = held < 0 ? nullptr : std::move(appending_.registers[held]);
  }
  scratch_.reset();
  if (spec_.keep_contexts && !inputs_done_) {
    inputs_done_ = true;
    KeepContexts();
  }
  if (probe_ != nullptr) ReportOps();
  appending_ = {};
  return true;
}

void Execution::ReportOps() {
  std::array<ContextCounters, kSlots>& now = appending_.before;
  for (size_t i = 0; i < appending_.ops.size(); ++i) {
    const ContextOp& op = appending_.ops[i];
    if (const auto* fork = std::get_if<ForkOp>(&op)) {
      const ContextCounters before = now[Index(fork->to)];
      now[Index(fork->to)] = now[Index(fork->from)];
      probe_->OnContextOp(op, before, now[Index(fork->to)]);
      continue;
    }
    ContextCounters& counters = now[Index(std::get<AppendOp>(op).slot)];
    const ContextCounters before = counters;
    counters = appending_.after[appending_.plan.encoded_by[i]];
    probe_->OnContextOp(op, before, counters);
  }
}

}  // namespace cooper::engine
