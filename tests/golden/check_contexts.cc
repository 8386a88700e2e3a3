// Contexts, decoding, and what the other checks build on.

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include <cstring>
#include <map>
#include <stdexcept>

#include "model/image/resize.h"
#include "tests/golden/checks.h"

namespace cooper::golden {
namespace {

using torch_model::NetworkRecorder;
using torch_model::PagedContext;

const PagedContext& Paged(const model::Context& context) {
  return static_cast<const PagedContext&>(context);
}

at::Tensor Norms(const model::Context& context, bool keys) {
  std::vector<at::Tensor> layers;
  for (int i = 0; i < Paged(context).pool()->shape().layers; ++i) {
    const at::Tensor x = keys ? KeysOf(context, i) : ValuesOf(context, i);
    layers.push_back(at::linalg_vector_norm(x.flatten(1), 2, {1}));
  }
  return at::stack(layers);
}

// Which text a segment of `context` is, by its place among those.
const char* TextName(const std::string& context, int place) {
  static constexpr const char* kNames[] = {"system", "question", "request"};
  return context == "no_text" ? "request_cut" : kNames[place];
}

}  // namespace

void Require(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

void RecordedNoise::FillNormal(absl::Span<float> out) {
  if (draws_.empty())
    throw std::runtime_error("more noise drawn than recorded");
  const at::Tensor values = draws_.front().contiguous();
  draws_.pop_front();
  if (values.numel() != static_cast<int64_t>(out.size())) {
    throw std::runtime_error(absl::StrCat(
        "a draw of ", out.size(), " values, recorded were ", values.numel()));
  }
  std::memcpy(out.data(), values.const_data_ptr<float>(),
              out.size() * sizeof(float));
}

double RecordedNoise::Uniform() {
  throw std::runtime_error("no uniform draws are recorded");
}

NetworkRecorder::Tokens PrefillOne(torch_model::TorchModel& model,
                                   model::Context* context,
                                   const model::Segment& segment) {
  NetworkRecorder recorder;
  const torch_model::ScopedRecorder recording(&model, &recorder);
  model::PrefillItem item{context, &segment, absl::OkStatus()};
  Require(model.Prefill(absl::MakeSpan(&item, 1)));
  Require(item.status);
  return recorder.segments().at(0);
}

model::TextSegment TextOf(const torch_model::TorchModel& model,
                          const std::string& text) {
  const model::TextCodec& codec = model.text_codec();
  model::TextSegment segment{codec.Encode(text, model::ControlText::kParse)};
  segment.ids.insert(segment.ids.begin(), codec.special().bos);
  segment.ids.push_back(codec.special().eos);
  return segment;
}

at::Tensor KeysOf(const model::Context& context, int layer) {
  const PagedContext& paged = Paged(context);
  return paged.pool()->keys(layer).index_select(
      0, paged.Slots(paged.cache_length()));
}

at::Tensor ValuesOf(const model::Context& context, int layer) {
  const PagedContext& paged = Paged(context);
  return paged.pool()->values(layer).index_select(
      0, paged.Slots(paged.cache_length()));
}

at::Tensor KeyNorms(const model::Context& context) {
  return Norms(context, /*keys=*/true);
}

at::Tensor ValueNorms(const model::Context& context) {
  return Norms(context, /*keys=*/false);
}

BaseContexts BuildBase(const GoldenData& goldens,
                       torch_model::TorchModel& model, const Json& base,
                       const image::RgbImage& image, const at::Tensor& noise,
                       Comparison* out) {
  BaseContexts contexts;
  contexts.cond = model.NewContext();
  contexts.no_image = model.NewContext();
  RecordedNoise recorded;
  recorded.Add(noise);
  const auto vae = std::make_shared<const image::RgbImage>(image);
  const auto vit = std::make_shared<const image::RgbImage>(
      image::ApplyRule(image, model.info().vit_rule));
  std::map<std::string, int> texts_seen;
  for (size_t i = 0; i < base.at("segments").size(); ++i) {
    const Json& segment = base.at("segments")[i];
    const std::string name = segment.at("context");
    const std::string kind = segment.at("kind");
    if (name == "no_text" && contexts.no_text == nullptr) {
      contexts.no_text = contexts.cond->Fork();
      contexts.before_request = contexts.cond->Fork();
    }
    model::Context* const context = name == "cond" ? contexts.cond.get()
                                    : name == "no_text"
                                        ? contexts.no_text.get()
                                        : contexts.no_image.get();
    model::Segment own;
    if (kind == "text") {
      const std::string text = TextName(name, texts_seen[name]++);
      own = TextOf(model, base.at("texts").at(text));
      if (out != nullptr) {
        std::vector<int> ids = base.at("ids").at(text);
        ids.insert(ids.begin(), model.text_codec().special().bos);
        ids.push_back(model.text_codec().special().eos);
        out->EqualValues(absl::StrCat("ids of ", text),
                         std::get<model::TextSegment>(own).ids, ids);
      }
    } else if (kind == "vae") {
      own = model::LatentImageSegment{vae, &recorded};
    } else {
      own = model::VisionImageSegment{vit};
    }
    const int64_t before = context->cache_length();
    const NetworkRecorder::Tokens tokens = PrefillOne(model, context, own);
    if (out == nullptr) continue;
    const std::string prefix = absl::StrCat("segment", i, "/");
    out->EqualValues(prefix + "kv_before", before,
                     segment.at("kv_before").get<int64_t>());
    out->EqualValues(prefix + "tokens", context->cache_length() - before,
                     segment.at("tokens").get<int64_t>());
    out->EqualValues(prefix + "positions", tokens.positions,
                     goldens.Integers(base, prefix + "positions"));
    // The latents of an image go through the autoencoder first.
    out->Close(prefix + "input", tokens.input,
               goldens.Tensor(base, prefix + "input"),
               kind == "vae" ? &Tolerances::codec : &Tolerances::network);
    out->Close(prefix + "output", tokens.output,
               goldens.Tensor(base, prefix + "output"), &Tolerances::network);
  }
  return contexts;
}

void CheckContext(const GoldenData& goldens, const Json& golden,
                  torch_model::TorchModel& model, Comparison* out) {
  const BaseContexts contexts =
      BuildBase(goldens, model, golden, goldens.Image(golden, "image_u8"),
                goldens.Tensor(golden, "vae_noise"), out);
  const int layers = model.transformer().layers();
  for (int i = 0; i < layers; ++i) {
    out->Close(absl::StrCat("cond/k", i), KeysOf(*contexts.cond, i),
               goldens.Tensor(golden, absl::StrCat("cond/k", i)),
               &Tolerances::network);
    out->Close(absl::StrCat("cond/v", i), ValuesOf(*contexts.cond, i),
               goldens.Tensor(golden, absl::StrCat("cond/v", i)),
               &Tolerances::network);
  }
  const std::pair<const char*, const model::Context*> named[] = {
      {"cond", contexts.cond.get()},
      {"no_text", contexts.no_text.get()},
      {"no_image", contexts.no_image.get()}};
  for (const auto& [name, context] : named) {
    const std::string prefix = name;
    out->Close(prefix + "/k_norms", KeyNorms(*context),
               goldens.Tensor(golden, prefix + "/k_norms"), &Tolerances::norms);
    out->Close(prefix + "/v_norms", ValueNorms(*context),
               goldens.Tensor(golden, prefix + "/v_norms"), &Tolerances::norms);
    const Json& end = golden.at("ends").at(name);
    out->EqualValues(prefix + " length", context->cache_length(),
                     end.at("kv").get<int64_t>());
    out->EqualValues(prefix + " position", context->next_position(),
                     end.at("rope").get<int64_t>());
  }
}

namespace {

// Compares the best token of `logits` (those that may be chosen) with the best
// five of the reference. Returns the token to go on with.
model::TokenId CheckBest(const at::Tensor& logits, const at::Tensor& golden_ids,
                         Comparison* out) {
  const auto best = logits.argmax().item<int64_t>();
  const auto golden = golden_ids.select(0, 0).item<int64_t>();
  if (out->tolerances().exact_texts) {
    out->EqualValues("the best id", best, golden);
    return static_cast<model::TokenId>(best);
  }
  out->Check("the best id", (golden_ids == best).any().item<bool>(),
             absl::StrCat(best, " is not among the best five"));
  const double gap =
      (logits.select(0, best) - logits.select(0, golden)).item<double>();
  out->Small("the best id's lead",
             gap / logits.square().mean().sqrt().item<double>(),
             &Tolerances::logit_gap);
  return static_cast<model::TokenId>(golden);
}

}  // namespace

void CheckText(const GoldenData& goldens, const Json& golden,
               torch_model::TorchModel& model, Comparison* out) {
  const Json* base = goldens.FindCase("context", "base");
  if (base == nullptr) throw std::runtime_error("no case context/base");
  const BaseContexts contexts =
      BuildBase(goldens, model, *base, goldens.Image(*base, "image_u8"),
                goldens.Tensor(*base, "vae_noise"), nullptr);
  const std::unique_ptr<model::Context> context =
      contexts.before_request->Fork();
  if (goldens.Has(golden, "prompt_logits")) {
    const model::TextSegment prompt = TextOf(model, golden.at("prompt"));
    std::vector<int64_t> ids(prompt.ids.begin() + 1, prompt.ids.end() - 1);
    const std::vector<int64_t> want = goldens.Integers(golden, "prompt_ids");
    // The golden ids may or may not hold the delimiters.
    if (want.size() == ids.size() + 2) {
      ids.assign(prompt.ids.begin(), prompt.ids.end());
    }
    out->EqualValues("prompt_ids", ids, want);
    const auto tokens = PrefillOne(model, context.get(), prompt);
    out->Close("prompt_logits", model.transformer().Logits(tokens.output),
               goldens.Tensor(golden, "prompt_logits"), &Tolerances::network);
  }
  out->EqualValues("kv", context->cache_length(),
                   golden.at("kv").get<int64_t>());
  out->EqualValues("rope", context->next_position(),
                   golden.at("rope").get<int64_t>());

  const std::vector<int64_t> ids = goldens.Integers(golden, "ids");
  const at::Tensor top5 = goldens.Tensor(golden, "top5");
  const at::Tensor top5_ids = goldens.Tensor(golden, "top5_ids");
  const int64_t vocabulary = model.cooper_config().text_vocab_size;
  const int64_t steps = golden.at("steps");
  std::vector<model::TokenId> decoded;
  model::TokenId token = model.text_codec().special().bos;
  for (int64_t step = 0; step < steps; ++step) {
    decoded.push_back(token);
    const absl::StatusOr<at::Tensor> logits =
        torch_model::DecodeLogits(model, {context.get()}, {token});
    Require(logits.status());
    const at::Tensor row = logits->select(0, 0);
    if (step == 0) {
      out->Close("logits_first", row, goldens.Tensor(golden, "logits_first"),
                 &Tolerances::network);
    }
    if (step + 1 == steps) {
      out->Close("logits_last", row, goldens.Tensor(golden, "logits_last"),
                 &Tolerances::network);
    }
    const at::Tensor restricted = row.narrow(0, 0, vocabulary);
    const auto [values, indices] = restricted.topk(5);
    out->Close("top5", values, top5.select(0, step), &Tolerances::network);
    const at::Tensor golden_ids = top5_ids.select(0, step);
    out->Close("top5 by golden id",
               restricted.index_select(
                   0, golden_ids.to(restricted.device(), at::kLong)),
               top5.select(0, step), &Tolerances::network);
    token = CheckBest(restricted, golden_ids, out);
  }
  out->EqualValues("ids", std::vector<int64_t>(decoded.begin(), decoded.end()),
                   ids);
  decoded.erase(decoded.begin());
  if (golden.at("ended_by_eos").get<bool>()) {
    out->EqualValues("the last id", token, model.text_codec().special().eos);
  }
  out->EqualValues("text", model.text_codec().Decode(decoded),
                   golden.at("text").get<std::string>());
}

}  // namespace cooper::golden
