#include "model/fake/fake_model.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "model/fake/fake_flow.h"
#include "server/base/check.h"
#include "server/base/clock.h"
#include "server/base/status_macros.h"

namespace cooper::fake {
namespace {

using model::TokenId;

constexpr int kLatentDownsample = 8;
constexpr int kLatentChannels = 16;
constexpr int64_t kBytesPerToken = 1024;

FakeContext& Fake(model::Context* context) {
  return static_cast<FakeContext&>(*context);
}

bool Holds(const std::vector<TokenId>& ids, const std::string& text) {
  return std::search(ids.begin(), ids.end(), text.begin(), text.end(),
                     [](TokenId id, char c) {
                       return id == static_cast<unsigned char>(c);
                     }) != ids.end();
}

// An image as ids, and how it counts in the content's hash.
struct ImageTokens {
  std::vector<TokenId> ids;
  uint64_t hash = 0;
};
ImageTokens TokensOf(const image::RgbImage& image, int side) {
  ImageTokens tokens;
  tokens.ids.push_back(FakeCodec::kSpecial.soi);
  tokens.ids.insert(
      tokens.ids.end(),
      static_cast<size_t>(image.size.width / side) * (image.size.height / side),
      FakeContext::kImageToken);
  tokens.ids.push_back(FakeCodec::kSpecial.eoi);
  for (const uint8_t byte : image.pixels) {
    tokens.hash = (tokens.hash ^ byte) * 0x100000001B3;
  }
  tokens.hash = MixHash(tokens.hash, side);
  return tokens;
}

uint64_t HashOf(const std::vector<TokenId>& ids) {
  uint64_t hash = 0;
  for (const TokenId id : ids) hash = MixHash(hash, id);
  return hash;
}

absl::Status PoolFull() {
  return absl::ResourceExhaustedError("the context pool is full");
}

}  // namespace

// A step of several flows, layer by layer.
class FakeFlowStep final : public model::FlowStep {
 public:
  FakeFlowStep(FakeModel* model, absl::Span<model::Flow* const> flows)
      : model_(model), flows_(flows.begin(), flows.end()) {}

  absl::StatusOr<bool> RunSlice(absl::Duration budget) override {
    FakeModel::Record record{FakeModel::Call::kFlowSlice,
                             static_cast<int>(flows_.size()), 0};
    for (const model::Flow* flow : flows_) {
      record.rows +=
          int64_t{flow->latent_tokens()} * flow->next_step_branches();
    }
    COOPER_RETURN_IF_ERROR(model_->Enter(record, absl::ZeroDuration()));
    const absl::Time end = model_->Now() + budget;
    do {
      model_->Sleep(model_->script_.delays.flow_layer);
      ++layer_;
    } while (layer_ < model_->script_.flow_layers && model_->Now() < end);
    if (layer_ < model_->script_.flow_layers) return false;
    for (model::Flow* flow : flows_) static_cast<FakeFlow*>(flow)->Advance();
    return true;
  }

  void Drop(const model::Flow* flow) override { std::erase(flows_, flow); }

 private:
  FakeModel* const model_;
  std::vector<model::Flow*> flows_;
  int layer_ = 0;
};

FakeModel::FakeModel(FakeScript script) : FakeModel(std::move(script), {}) {}

FakeModel::FakeModel(FakeScript script, Hooks hooks)
    : script_(std::move(script)),
      hooks_(std::move(hooks)),
      pool_(std::make_shared<FakePool>()) {
  pool_->capacity_tokens = script_.kv_capacity_tokens;
  info_.name = script_.name;
  info_.device = "fake";
  info_.dtype = "float32";
  info_.can_reason = script_.can_reason;
  info_.can_generate_maps = script_.can_generate_maps;
  info_.vae_rule = script_.vae_rule;
  info_.vit_rule = script_.vit_rule;
  info_.latent_stride = script_.vae_rule.stride;
  info_.max_latent_side = script_.vae_rule.max_size / script_.vae_rule.stride;
  info_.vit_patch = script_.vit_rule.stride;
  info_.kv_capacity_tokens = script_.kv_capacity_tokens;
  info_.kv_bytes_per_token = kBytesPerToken;
  info_.prompts = model::Prompts::Cooper();
  const auto encode = [this](const FakeTexts& texts) {
    EncodedTexts encoded{texts.match, {}};
    for (const std::string& text : texts.texts) {
      encoded.texts.push_back(codec_.Encode(text, model::ControlText::kParse));
    }
    texts_.push_back(std::move(encoded));
  };
  for (const FakeTexts& texts : script_.scripts) encode(texts);
  encode({"", script_.texts});
}

model::KvUsage FakeModel::kv_usage() const {
  return {pool_->used_tokens * kBytesPerToken,
          pool_->capacity_tokens * kBytesPerToken};
}

std::unique_ptr<model::Context> FakeModel::NewContext() {
  return std::make_unique<FakeContext>(pool_);
}

std::vector<FakeModel::Record> FakeModel::records() const {
  base::MutexLock lock(&mutex_);
  return records_;
}

void FakeModel::Sleep(absl::Duration duration) const {
  if (duration <= absl::ZeroDuration()) return;
  if (hooks_.sleep) return hooks_.sleep(duration);
  std::this_thread::sleep_for(absl::ToChronoNanoseconds(duration));
}

absl::Time FakeModel::Now() const {
  return hooks_.now ? hooks_.now() : base::Clock::Real()->Now();
}

absl::Status FakeModel::Enter(Record record, absl::Duration delay) {
  const int count = ++calls_[static_cast<size_t>(record.call)];
  if (hooks_.record) {
    base::MutexLock lock(&mutex_);
    records_.push_back(record);
  }
  if (hooks_.on_call) hooks_.on_call(record);
  Sleep(delay);
  for (const FakeFault& fault : script_.faults) {
    if (fault.call != record.call || fault.nth != count) continue;
    if (fault.effect == FakeFault::Effect::kThrow) {
      throw std::runtime_error("scripted exception");
    }
    if (fault.effect == FakeFault::Effect::kStatus) {
      return absl::InternalError("scripted device failure");
    }
  }
  return absl::OkStatus();
}

absl::Status FakeModel::ItemFault(Call call, const std::vector<TokenId>& ids) {
  for (const FakeFault& fault : script_.faults) {
    if (fault.effect == FakeFault::Effect::kItem && fault.call == call &&
        calls_[static_cast<size_t>(call)] >= fault.nth &&
        Holds(ids, fault.match)) {
      return absl::Status(fault.item_code, "scripted item failure");
    }
  }
  return absl::OkStatus();
}

absl::Status FakeModel::Append(absl::Span<model::AppendItem> items) {
  std::vector<ImageTokens> tokens(items.size());
  std::vector<int64_t> advance(items.size(), 1);
  Record record{Call::kAppend, static_cast<int>(items.size()), 0};
  for (size_t i = 0; i < items.size(); ++i) {
    const model::Segment& segment = *items[i].segment;
    if (const auto* text = std::get_if<model::TextSegment>(&segment)) {
      tokens[i] = {text->ids, HashOf(text->ids)};
      advance[i] = static_cast<int64_t>(text->ids.size());
    } else if (const auto* latent =
                   std::get_if<model::LatentImageSegment>(&segment)) {
      tokens[i] = TokensOf(*latent->image, info_.latent_stride);
      const image::Size size = latent->image->size;
      std::vector<float> noise(static_cast<size_t>(kLatentChannels) *
                               (size.width / kLatentDownsample) *
                               (size.height / kLatentDownsample));
      latent->noise->FillNormal(absl::MakeSpan(noise));
    } else {
      tokens[i] = TokensOf(*std::get<model::VisionImageSegment>(segment).image,
                           info_.vit_patch);
    }
    record.rows += static_cast<int64_t>(tokens[i].ids.size());
  }
  COOPER_RETURN_IF_ERROR(
      Enter(record,
            script_.delays.append + script_.delays.append_token * record.rows));
  for (size_t i = 0; i < items.size(); ++i) {
    FakeContext& context = Fake(items[i].context);
    if (!script_.faults.empty()) {
      items[i].status = ItemFault(Call::kAppend, context.Ids());
      if (items[i].status.ok()) {
        items[i].status = ItemFault(Call::kAppend, tokens[i].ids);
      }
      if (!items[i].status.ok()) continue;
    }
    if (!context.Append(tokens[i].ids, advance[i], tokens[i].hash)) {
      items[i].status = PoolFull();
      continue;
    }
    appended_tokens_ += static_cast<int64_t>(tokens[i].ids.size());
  }
  return absl::OkStatus();
}

const std::vector<TokenId>* FakeModel::ChooseText(
    const std::vector<TokenId>& ids) const {
  const auto texts =
      std::find_if(texts_.begin(), texts_.end(),
                   [&](const EncodedTexts& t) { return Holds(ids, t.match); });
  // A turn is over once its text stands in the context, after the one before.
  size_t turn = 0;
  auto from = ids.begin();
  while (turn + 1 < texts->texts.size()) {
    std::vector<TokenId> text = {codec_.special().bos};
    const std::vector<TokenId>& body = texts->texts[turn];
    text.insert(text.end(), body.begin(), body.end());
    text.push_back(codec_.special().eos);
    const auto at = std::search(from, ids.end(), text.begin(), text.end());
    if (at == ids.end()) break;
    from = at + static_cast<std::ptrdiff_t>(text.size());
    ++turn;
  }
  return &texts->texts[turn];
}

absl::Status FakeModel::Decode(absl::Span<model::DecodeItem> items) {
  const auto count = static_cast<int64_t>(items.size());
  COOPER_RETURN_IF_ERROR(
      Enter({Call::kDecode, static_cast<int>(count), count},
            script_.delays.decode + script_.delays.decode_item * count));
  for (model::DecodeItem& item : items) {
    FakeContext& context = Fake(item.context);
    const bool first = item.token == codec_.special().bos;
    const std::vector<TokenId>* text = context.script;
    size_t at = context.script_next;
    if (!script_.faults.empty() || first) {
      const std::vector<TokenId> ids = context.Ids();
      item.status = ItemFault(Call::kDecode, ids);
      if (!item.status.ok()) continue;
      if (first) {
        text = ChooseText(ids);
        at = 0;
      }
    }
    if (!context.Append({item.token}, 1, MixHash(1, item.token))) {
      item.status = PoolFull();
      continue;
    }
    if (item.sampling.do_sample) item.noise->Uniform();
    const bool more = text != nullptr && at < text->size();
    item.next = more ? (*text)[at] : codec_.special().eos;
    context.script = text;
    context.script_next = at + 1;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<model::Flow>> FakeModel::StartFlow(
    const model::FlowSpec& spec) {
  COOPER_RETURN_IF_ERROR(Enter({Call::kStartFlow, 1, 0}, absl::ZeroDuration()));
  COOPER_RETURN_IF_ERROR(spec.options.Validate());
  const int stride = info_.latent_stride;
  const int max_side = info_.max_latent_side * stride;
  const auto bad = [&](int side) {
    return side < stride || side > max_side || side % stride != 0;
  };
  if (bad(spec.size.width) || bad(spec.size.height)) {
    return absl::InvalidArgumentError(
        absl::StrCat("size: ", spec.size.width, " x ", spec.size.height,
                     " px; each side must be a multiple of ", stride,
                     ", at most ", max_side));
  }
  auto flow = std::make_unique<FakeFlow>(pool_, spec, stride);
  COOPER_RETURN_IF_ERROR(ItemFault(Call::kStartFlow, flow->Ids()));
  return flow;
}

absl::StatusOr<std::unique_ptr<model::FlowStep>> FakeModel::BeginFlowStep(
    absl::Span<model::Flow* const> flows) {
  for (const model::Flow* flow : flows) {
    COOPER_CHECK(flow->steps_done() < flow->steps_total());
  }
  return std::make_unique<FakeFlowStep>(this, flows);
}

absl::Status FakeModel::DecodeLatents(
    absl::Span<model::DecodeLatentsItem> items) {
  const auto count = static_cast<int64_t>(items.size());
  Record record{Call::kLatents, static_cast<int>(count), 0};
  for (const model::DecodeLatentsItem& item : items) {
    record.rows += item.flow->latent_tokens();
  }
  COOPER_RETURN_IF_ERROR(Enter(record, script_.delays.latents * count));
  for (model::DecodeLatentsItem& item : items) {
    const auto* flow = static_cast<const FakeFlow*>(item.flow);
    if (!script_.faults.empty()) {
      item.status = ItemFault(Call::kLatents, flow->Ids());
      if (!item.status.ok()) continue;
    }
    item.image = flow->Picture(item.estimate);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<model::UnifiedModel>> LoadFakeModel(
    const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  std::stringstream content;
  content << file.rdbuf();
  absl::StatusOr<FakeScript> script = FakeScript::FromJson(content.str());
  if (!script.ok()) return base::Annotate(script.status(), path);
  return std::make_unique<FakeModel>(*std::move(script));
}

}  // namespace cooper::fake
