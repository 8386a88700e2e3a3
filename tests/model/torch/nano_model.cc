#include "tests/model/torch/nano_model.h"

#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {

std::unique_ptr<TorchModel> NanoModelWithPool(int64_t kv_cache_mib) {
  LoadOptions options;
  options.checkpoint_dirs = {std::string(COOPER_TEST_DATA) + "/goldens/nano"};
  options.device = "cpu";
  options.dtype = "float32";
  options.kv_cache_mib = kv_cache_mib;
  auto model = TorchModel::Load(options);
  EXPECT_OK(model);
  return *std::move(model);
}

TorchModel& NanoModel() {
  static TorchModel* const kModel = NanoModelWithPool(64).release();
  return *kModel;
}

std::shared_ptr<const image::RgbImage> Picture(image::Size size, int seed) {
  auto picture = std::make_shared<image::RgbImage>();
  picture->size = size;
  for (int y = 0; y < size.height; ++y) {
    for (int x = 0; x < size.width; ++x) {
      picture->pixels.push_back(static_cast<uint8_t>(x * 3 + seed * 40));
      picture->pixels.push_back(static_cast<uint8_t>(y * 5 + seed * 11));
      picture->pixels.push_back(static_cast<uint8_t>((x ^ y) + seed * 7));
    }
  }
  return picture;
}

model::TextSegment SomeText(int count, int seed) {
  const model::SpecialTokens& special = NanoModel().text_codec().special();
  model::TextSegment text{{special.bos}};
  for (int i = 0; i < count; ++i) {
    text.ids.push_back((seed * 131 + i * 17) % 1900);
  }
  text.ids.push_back(special.eos);
  return text;
}

void PrefillAll(TorchModel& model, model::Context* context,
                const std::vector<model::Segment>& segments) {
  std::vector<model::PrefillItem> items;
  items.reserve(segments.size());
  for (const model::Segment& segment : segments) {
    items.push_back({context, &segment, absl::OkStatus()});
  }
  ASSERT_OK(model.Prefill(absl::MakeSpan(items)));
  for (const model::PrefillItem& item : items) ASSERT_OK(item.status);
}

std::vector<model::TokenId> DecodeTokens(TorchModel& model,
                                         const model::Context& context,
                                         int count) {
  const std::unique_ptr<model::Context> scratch = context.Fork();
  std::vector<model::TokenId> tokens;
  model::DecodeItem item;
  item.context = scratch.get();
  item.token = model.text_codec().special().bos;
  for (int i = 0; i < count; ++i) {
    EXPECT_OK(model.Decode(absl::MakeSpan(&item, 1)));
    EXPECT_OK(item.status);
    tokens.push_back(item.next);
    item.token = item.next;
  }
  return tokens;
}

}  // namespace cooper::torch_model
