// Tokenizer, sizes, images, vision encoder, autoencoder.

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

#include "model/image/compose.h"
#include "model/image/maps.h"
#include "model/image/resize.h"
#include "model/torch/vision/pixels.h"
#include "tests/golden/checks.h"

namespace cooper::golden {
namespace {

image::Size SizeOf(const Json& pair) { return {pair.at(0), pair.at(1)}; }

std::string Text(image::Size size) {
  return absl::StrCat(size.width, "x", size.height);
}

model::ImageRule RuleOf(const Json& json, int64_t max_pixels) {
  return {json.at("max"), json.at("min"), json.at("stride"), max_pixels};
}

}  // namespace

void CheckTokenizer(const GoldenData& goldens, const Json& golden,
                    torch_model::TorchModel& model, Comparison* out) {
  const absl::StatusOr<Json> data = goldens.ReadJson(golden.at("data"));
  Require(data.status());
  const model::TextCodec& codec = model.text_codec();
  const Json& special = data->at("special");
  out->EqualValues("bos", codec.special().bos,
                   special.at("bos_token_id").get<int>());
  out->EqualValues("eos", codec.special().eos,
                   special.at("eos_token_id").get<int>());
  out->EqualValues("soi", codec.special().soi,
                   special.at("start_of_image").get<int>());
  out->EqualValues("eoi", codec.special().eoi,
                   special.at("end_of_image").get<int>());
  using Ids = std::vector<model::TokenId>;
  for (const Json& row : data->at("encode")) {
    const std::string text = row.at("text");
    const Ids ids = row.at("ids").get<Ids>();
    out->EqualValues(
        absl::StrCat("encode ", row.at("text").dump().substr(0, 60)),
        codec.Encode(text, model::ControlText::kParse), ids);
    out->EqualValues(
        absl::StrCat("encode plain ", row.at("text").dump().substr(0, 60)),
        codec.Encode(text, model::ControlText::kPlain),
        row.contains("plain_ids") ? row.at("plain_ids").get<Ids>() : ids);
    out->EqualValues(
        absl::StrCat("decode of ", row.at("text").dump().substr(0, 60)),
        codec.Decode(ids),
        row.contains("decoded") ? row.at("decoded").get<std::string>() : text);
  }
  for (const Json& row : data->at("decode")) {
    out->EqualValues("decode", codec.Decode(row.at("ids").get<Ids>()),
                     row.at("text").get<std::string>());
  }
}

void CheckSizes(const GoldenData& goldens, const Json& golden,
                torch_model::TorchModel& model, Comparison* out) {
  const absl::StatusOr<Json> data = goldens.ReadJson(golden.at("data"));
  Require(data.status());
  const int64_t max_pixels = data->at("max_pixels");
  const Json& rules = data->at("rules");
  const model::ImageRule vae = RuleOf(rules.at("vae"), max_pixels);
  const model::ImageRule vit = RuleOf(rules.at("vit"), max_pixels);
  const model::ImageRule bagel = RuleOf(rules.at("vit_bagel"), max_pixels);
  for (const Json& row : data->at("sizes")) {
    const image::Size raw = SizeOf(row.at("raw"));
    const image::Size resized = image::ResizedSize(raw, vae);
    const auto check = [&](const char* key, image::Size got) {
      out->EqualValues(absl::StrCat(Text(raw), " ", key), Text(got),
                       Text(SizeOf(row.at(key))));
    };
    check("vae", resized);
    check("vae_again", image::ResizedSize(resized, vae));
    check("vit_of_vae", image::ResizedSize(resized, vit));
    check("vit", image::ResizedSize(raw, vit));
    check("vit_bagel_of_vae", image::ResizedSize(resized, bagel));
  }
}

void CheckImages(const GoldenData& goldens, const Json& golden,
                 torch_model::TorchModel& model, Comparison* out) {
  const auto bytes = [&](const char* name) {
    return goldens.Tensor(golden, name).contiguous();
  };
  const auto span = [](const at::Tensor& tensor) {
    return absl::MakeSpan(tensor.const_data_ptr<uint8_t>(), tensor.numel());
  };
  const auto size = [](const at::Tensor& tensor) {
    return image::Size{static_cast<int>(tensor.size(1)),
                       static_cast<int>(tensor.size(0))};
  };
  if (goldens.Has(golden, "rgba_u8")) {
    const at::Tensor rgba = bytes("rgba_u8");
    out->Equal("rgb_u8",
               ToTensor(image::ComposeOnWhite(size(rgba), span(rgba))),
               bytes("rgb_u8"));
  }
  if (goldens.Has(golden, "grey_u8")) {
    const at::Tensor grey = bytes("grey_u8");
    out->Equal("rgb_u8", ToTensor(image::GreyToRgb(size(grey), span(grey))),
               bytes("rgb_u8"));
  }
  if (!goldens.Has(golden, "raw_u8")) return;
  const model::ModelInfo& info = model.info();
  const image::RgbImage raw = goldens.Image(golden, "raw_u8");
  const image::RgbImage vae = image::ApplyRule(raw, info.vae_rule);
  const image::RgbImage vit = image::ApplyRule(vae, info.vit_rule);
  out->Equal("vae_u8", ToTensor(vae), bytes("vae_u8"));
  out->Equal("vit_u8", ToTensor(vit), bytes("vit_u8"));
  out->Equal("vae_again", ToTensor(image::ApplyRule(vae, info.vae_rule)),
             bytes("vae_u8"));
  if (goldens.Has(golden, "vae_norm")) {
    out->Close("vae_norm", torch_model::NormalisedPixels(vae),
               bytes("vae_norm"), &Tolerances::pixels);
    out->Close("vit_norm", torch_model::NormalisedPixels(vit),
               bytes("vit_norm"), &Tolerances::pixels);
  }
}

void CheckVit(const GoldenData& goldens, const Json& golden,
              torch_model::TorchModel& model, Comparison* out) {
  const image::RgbImage image = goldens.Image(golden, "image_u8");
  const image::RgbImage pixels = image::ApplyRule(image, model.info().vit_rule);
  out->Equal("pixels_u8", ToTensor(pixels),
             goldens.Tensor(golden, "pixels_u8"));
  const image::RgbImage given = goldens.Image(golden, "pixels_u8");
  torch_model::NetworkRecorder recorder;
  const at::Tensor features = [&] {
    const torch_model::ScopedRecorder recording(&model, &recorder);
    return model.vision_encoder().Encode({&given});
  }();
  const at::Tensor positions = recorder.stage("position_ids").at(0).cpu();
  const auto* const ids = positions.const_data_ptr<int64_t>();
  out->EqualValues("position_ids",
                   std::vector<int64_t>(ids, ids + positions.numel()),
                   goldens.Integers(golden, "position_ids"));
  const auto close = [&](const char* name, const at::Tensor& got,
                         Limit Tolerances::* limit) {
    out->Close(name, got, goldens.Tensor(golden, name), limit);
  };
  const auto stage = [&](const char* name) {
    return recorder.stage(name).at(0);
  };
  close("patches", stage("patches"), &Tolerances::pixels);
  close("embeddings", stage("embeddings"), &Tolerances::network);
  close("layer_first", recorder.stage("layer").front(), &Tolerances::network);
  close("layer_last", recorder.stage("layer").back(), &Tolerances::network);
  close("post_layernorm", stage("post_layernorm"), &Tolerances::network);
  close("connector", stage("connector"), &Tolerances::network);
  close("features", features, &Tolerances::network);
  // The batched way that the server goes, beside another image.
  image::RgbImage other = given;
  std::reverse(other.pixels.begin(), other.pixels.end());
  const at::Tensor both = model.vision_encoder().Encode({&other, &given});
  close("features", both.narrow(0, features.size(0), features.size(0)),
        &Tolerances::network);
}

void CheckVae(const GoldenData& goldens, const Json& golden,
              torch_model::TorchModel& model, Comparison* out) {
  const auto tensor = [&](const char* name) {
    return goldens.Tensor(golden, name);
  };
  if (goldens.Has(golden, "t")) {
    const at::Tensor features =
        torch_model::LatentEmbedder::TimeFeatures(tensor("t"));
    out->Close("features", features, tensor("features"), &Tolerances::pixels);
    out->Close("embedding",
               model.latent_embedder().EmbedTime(tensor("features")),
               tensor("embedding"), &Tolerances::network);
    return;
  }
  const torch_model::Autoencoder& codec = model.autoencoder();
  const at::Tensor moments = codec.Moments(tensor("image"));
  out->Close("moments", moments, tensor("moments"), &Tolerances::codec);
  const at::Tensor latent = codec.Sample(moments, tensor("noise"));
  out->Close("latent", latent, tensor("latent"), &Tolerances::codec);
  const at::Tensor tokens = codec.Patchify(latent);
  out->Close("tokens", tokens, tensor("tokens"), &Tolerances::codec);
  out->Close("unpatchify",
             codec.Unpatchify(tensor("tokens"), latent.size(1) / 2,
                              latent.size(2) / 2),
             tensor("latent"), &Tolerances::pixels);
  const at::Tensor decoded = codec.Decode(tensor("latent"));
  out->Close("decoded", decoded, tensor("decoded"), &Tolerances::codec);
  const image::FloatRgbImage pixels = torch_model::ToFloatImage(decoded);
  out->Bytes("image_u8", ToTensor(image::ToBytes(pixels)), tensor("image_u8"));
  const image::FloatGreyImage depth = image::DepthOf(pixels);
  out->CloseAbsolute(
      "depth",
      at::tensor(depth.pixels).view({depth.size.height, depth.size.width}),
      tensor("depth"), &Tolerances::depth);
}

}  // namespace cooper::golden
