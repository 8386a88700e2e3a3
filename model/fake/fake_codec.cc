#include "model/fake/fake_codec.h"

#include "absl/strings/match.h"

namespace cooper::fake {
namespace {

constexpr absl::string_view kSpellings[] = {
    "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"};
constexpr model::TokenId kFirstSpecial = 256;

}  // namespace

std::vector<model::TokenId> FakeCodec::Encode(
    absl::string_view utf8, model::ControlText control) const {
  model::Utf8Stream stream;
  std::string text = stream.Push(utf8);
  text += stream.Finish();
  absl::string_view rest = text;
  std::vector<model::TokenId> ids;
  ids.reserve(text.size());
  while (!rest.empty()) {
    size_t taken = 0;
    for (size_t i = 0; control == model::ControlText::kParse && i < 4; ++i) {
      if (!absl::StartsWith(rest, kSpellings[i])) continue;
      ids.push_back(kFirstSpecial + static_cast<model::TokenId>(i));
      taken = kSpellings[i].size();
    }
    if (taken == 0) {
      ids.push_back(static_cast<unsigned char>(rest[0]));
      taken = 1;
    }
    rest.remove_prefix(taken);
  }
  return ids;
}

std::string FakeCodec::TokenBytes(model::TokenId id) const {
  if (id >= 0 && id < kFirstSpecial) {
    return std::string(1, static_cast<char>(id));
  }
  if (id >= kFirstSpecial && id < kFirstSpecial + 4) {
    return std::string(kSpellings[id - kFirstSpecial]);
  }
  return {};
}

}  // namespace cooper::fake
