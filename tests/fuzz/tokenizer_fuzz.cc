// Text to tokens and back, with the demo checkpoint's vocabulary.
#include <utf8proc.h>

#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "model/text_codec.h"
#include "model/tokenizer/tokenizer.h"
#include "tests/fuzz/fuzz_target.h"

namespace cooper::fuzz {
namespace {

using model::ControlText;
using model::TokenId;
using tokenizer::Tokenizer;

const Tokenizer& DemoTokenizer() {
  static const Tokenizer* const tokenizer = [] {
    auto loaded = Tokenizer::Load(COOPER_SOURCE_DIR "/model/demo/checkpoint");
    COOPER_CHECK(loaded.ok());
    return loaded->release();
  }();
  return *tokenizer;
}

std::string Joined(absl::string_view bytes) {
  model::Utf8Stream stream;
  std::string text = stream.Push(bytes);
  text += stream.Finish();
  return text;
}

// By the library, which the tokenizer only takes pieces of.
std::string Nfc(const std::string& utf8) {
  utf8proc_uint8_t* composed = nullptr;
  const utf8proc_ssize_t length = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(utf8.data()),
      static_cast<utf8proc_ssize_t>(utf8.size()), &composed,
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  COOPER_CHECK(length >= 0);
  std::string text(reinterpret_cast<const char*>(composed), length);
  free(composed);
  return text;
}

// Decoding gives back the text, in the normal form that encoding brings it to.
void CheckRoundTrip(absl::string_view bytes, ControlText control) {
  const Tokenizer& tokenizer = DemoTokenizer();
  const std::vector<TokenId> ids = tokenizer.Encode(bytes, control);
  const std::string text = Nfc(Joined(bytes));
  COOPER_CHECK(tokenizer.Decode(ids) == text);
  COOPER_CHECK(tokenizer.Encode(text, control) == ids);

  model::Utf8Stream stream;
  std::string streamed;
  for (const TokenId id : ids) {
    streamed += stream.Push(tokenizer.TokenBytes(id));
  }
  COOPER_CHECK(streamed + stream.Finish() == text);
}

// Any ids, valid or not: what comes out is UTF-8.
void CheckDecode(absl::string_view bytes) {
  std::vector<TokenId> ids;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    ids.push_back(static_cast<signed char>(bytes[i]) * 16 + bytes[i + 1]);
  }
  const std::string text = DemoTokenizer().Decode(ids);
  COOPER_CHECK(Joined(text) == text);
}

// The bytes in two pieces and one by one.
void CheckSplits(absl::string_view bytes) {
  const std::string whole = Joined(bytes);
  COOPER_CHECK(Joined(whole) == whole);
  model::Utf8Stream by_byte;
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    out += by_byte.Push(bytes.substr(i, 1));
  }
  COOPER_CHECK(out + by_byte.Finish() == whole);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    model::Utf8Stream stream;
    out = stream.Push(bytes.substr(0, cut));
    out += stream.Push(bytes.substr(cut));
    COOPER_CHECK(out + stream.Finish() == whole);
  }
}

}  // namespace

void FuzzOne(absl::string_view bytes) {
  CheckRoundTrip(bytes, ControlText::kPlain);
  CheckRoundTrip(bytes, ControlText::kParse);
  CheckDecode(bytes);
  CheckSplits(bytes);
}

}  // namespace cooper::fuzz
