// The part of Execution that shares the beginnings of requests: input segments
// are looked for in the prefix cache, and put there once they are encoded.

#include "server/engine/execution/execution.h"
#include "server/engine/memory/prefix_key.h"

namespace cooper::engine {
namespace {

const LatentPart* LatentsOf(const ContextOp& op) {
  return std::get_if<LatentPart>(&std::get<AppendOp>(op).segment);
}

// Nobody parts from another between an image's latents and what the vision
// encoder sees of it: the two go in one call.
bool ShowsTheSame(const ContextOp& op, const LatentPart& latents) {
  const auto* vision = std::get_if<VisionPart>(&std::get<AppendOp>(op).segment);
  return vision != nullptr && vision->source == VisionPart::Source::kInput &&
         vision->index == latents.image;
}

}  // namespace

base::Digest DigestOf(const image::RgbImage& image) {
  return base::Hasher()
      .AddInteger(image.size.width)
      .AddInteger(image.size.height)
      .Add(image.pixels.data(), image.pixels.size())
      .Finish();
}

uint64_t ImageSeed(const base::Digest& pixels) {
  uint64_t seed = 0;
  for (size_t i = 0; i < sizeof(seed); ++i) seed = seed << 8 | pixels[i];
  return seed;
}

// What the model wrote or drew is nobody else's.
std::optional<base::Digest> Execution::KeyAfter(const base::Digest& before,
                                                size_t op) const {
  const PromptSegment& segment = std::get<AppendOp>(appending_.ops[op]).segment;
  if (const auto* text = std::get_if<TextPart>(&segment)) {
    if (text->origin == TextOrigin::kModel) return std::nullopt;
    return TextPrefix(
        before, std::get<model::TextSegment>(appending_.segments[op]).ids);
  }
  if (const auto* latents = std::get_if<LatentPart>(&segment)) {
    const PreparedImage& image = spec_.images.at(latents->image);
    if (!image.pixels.has_value()) return std::nullopt;
    return LatentPrefix(before, *image.pixels, image.latents->size);
  }
  const auto& vision = std::get<VisionPart>(segment);
  if (vision.source != VisionPart::Source::kInput) return std::nullopt;
  const PreparedImage& image = spec_.images.at(vision.index);
  if (!image.pixels.has_value()) return std::nullopt;
  return VisionPrefix(before, *image.pixels, image.vision->size);
}

Execution::Piece Execution::PieceAt(size_t step) const {
  const std::vector<ContextStep>& steps = appending_.plan.steps;
  const auto op_at = [&](size_t i) { return static_cast<size_t>(steps[i].op); };
  const size_t op = op_at(step);
  Piece piece;
  piece.rows = SegmentRows(appending_.segments[op]);
  const LatentPart* latents = LatentsOf(appending_.ops[op]);
  const std::optional<base::Digest>& before = appending_.keys[steps[step].to];
  if (spec_.prefixes == nullptr || !before.has_value()) return piece;
  piece.key = KeyAfter(*before, op);
  if (latents != nullptr && piece.key.has_value() && step + 1 < steps.size() &&
      steps[step + 1].kind == ContextStep::Kind::kAppend &&
      steps[step + 1].to == steps[step].to &&
      ShowsTheSame(appending_.ops[op_at(step + 1)], *latents)) {
    ++piece.steps;
    piece.rows += SegmentRows(appending_.segments[op_at(step + 1)]);
    piece.key = KeyAfter(*piece.key, op_at(step + 1));
  }
  if (!spec_.prefixes->CanHold(piece.rows)) piece.key.reset();
  return piece;
}

// Whether the next piece was there; it then is on its register.
bool Execution::TakeCached() {
  const Piece piece = PieceAt(appending_.next_step);
  if (!piece.key.has_value()) return false;
  std::unique_ptr<model::Context> hit = spec_.prefixes->Find(*piece.key);
  if (hit == nullptr) return false;
  spec_.prefixes->Count(piece.rows, /*hit=*/true);
  for (size_t i = 0; i < piece.steps; ++i) {
    const ContextStep& step = appending_.plan.steps[appending_.next_step++];
    appending_.cached[step.op] = true;
    appending_.keys[step.to] = piece.key;
    if (i == 0) appending_.registers[step.to] = std::move(hit);
  }
  return true;
}

// Whether `piece` may join the call. It may not where a border lies before it,
// at which the context is to be kept; nor where another request encodes it.
bool Execution::MayTake(int to, const Piece& piece) {
  for (const Claim& claim : appending_.claims) {
    if (claim.to == to) return false;
  }
  if (!piece.key.has_value()) {
    appending_.keys[to].reset();
    return true;
  }
  if (!spec_.prefixes->Claim(*piece.key)) return false;
  appending_.claims.push_back({to, *appending_.keys[to], piece});
  return true;
}

void Execution::KeepClaims() {
  for (const Claim& claim : appending_.claims) {
    spec_.prefixes->Count(claim.piece.rows, /*hit=*/false);
    spec_.prefixes->Insert(claim.parent, *claim.piece.key,
                           *appending_.registers[claim.to], claim.piece.rows);
    appending_.keys[claim.to] = claim.piece.key;
  }
  appending_.claims.clear();
}

void Execution::CountCached() {
  for (size_t i = 0; i < appending_.ops.size(); ++i) {
    const auto* append = std::get_if<AppendOp>(&appending_.ops[i]);
    if (append != nullptr && append->slot == Slot::kCond &&
        appending_.cached[appending_.plan.encoded_by[i]]) {
      totals_.cached_tokens += SegmentRows(appending_.segments[i]);
    }
  }
}

}  // namespace cooper::engine
