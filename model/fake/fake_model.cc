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
#include "base/check.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "model/device_status.h"
#include "model/fake/fake_denoiser.h"
#include "model/fake/fake_steps.h"

namespace cooper::fake {
namespace {

using model::TokenId;

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

}  // namespace

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
  info_.can_converse = script_.can_converse;
  info_.can_generate_images = script_.can_generate_images;
  info_.vae_rule = script_.vae_rule;
  info_.vit_rule = script_.vit_rule;
  info_.latent_stride = script_.vae_rule.stride;
  info_.max_latent_side = script_.vae_rule.max_size / script_.vae_rule.stride;
  info_.vit_patch = script_.vit_rule.stride;
  info_.kv_capacity_tokens = script_.kv_capacity_tokens;
  info_.max_positions = script_.max_positions;
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

absl::Status FakeModel::MemoryFault(
    Call call, size_t items,
    const std::function<std::vector<TokenId>(size_t)>& ids_of) const {
  for (const FakeFault& fault : script_.faults) {
    if (fault.effect != FakeFault::Effect::kOutOfMemory || fault.call != call ||
        calls_[static_cast<size_t>(call)] < fault.nth ||
        (fault.last > 0 && calls_[static_cast<size_t>(call)] > fault.last) ||
        static_cast<int>(items) <= fault.above) {
      continue;
    }
    for (size_t i = 0; i < items; ++i) {
      if (fault.match.empty() || Holds(ids_of(i), fault.match)) {
        return absl::ResourceExhaustedError("scripted lack of memory");
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<model::PrefillStep>> FakeModel::BeginPrefill(
    absl::Span<model::PrefillItem> items) {
  return std::make_unique<FakePrefillStep>(this, items);
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
  COOPER_RETURN_IF_ERROR(
      MemoryFault(Call::kDecode, items.size(),
                  [&](size_t i) { return Fake(items[i].context).Ids(); }));
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
    if (!context.AppendText({item.token})) {
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

absl::StatusOr<std::unique_ptr<model::Denoiser>> FakeModel::StartDenoise(
    const model::DenoiseSpec& spec) {
  COOPER_RETURN_IF_ERROR(Enter({Call::kStartDenoise, 1, 0}));
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
  auto denoiser = std::make_unique<FakeDenoiser>(pool_, spec, stride);
  COOPER_RETURN_IF_ERROR(MemoryFault(Call::kStartDenoise, 1,
                                     [&](size_t) { return denoiser->Ids(); }));
  COOPER_RETURN_IF_ERROR(ItemFault(Call::kStartDenoise, denoiser->Ids()));
  return denoiser;
}

absl::StatusOr<std::unique_ptr<model::DenoiseStep>> FakeModel::BeginDenoiseStep(
    absl::Span<model::Denoiser* const> denoisers) {
  for (const model::Denoiser* denoiser : denoisers) {
    COOPER_CHECK(denoiser->steps_done() < denoiser->steps_total());
  }
  return std::make_unique<FakeDenoiseStep>(this, denoisers);
}

absl::StatusOr<std::unique_ptr<model::Step>> FakeModel::BeginVaeDecode(
    absl::Span<model::VaeDecodeItem> items) {
  return std::make_unique<FakeVaeDecodeStep>(this, items);
}

absl::Status FakeModel::WarmUp() {
  COOPER_RETURN_IF_ERROR(Enter({Call::kWarmUp, 1, 0}, script_.delays.warm_up));
  return model::DeviceUnusable(MemoryFault(
      Call::kWarmUp, 1, [](size_t) { return std::vector<TokenId>(); }));
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
