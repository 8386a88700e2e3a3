// What the model may write: the text's channels, wherever it is cut, and what
// is found in it.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "model/text_codec.h"
#include "server/engine/program/tags.h"
#include "server/engine/program/text_stream.h"
#include "tests/fuzz/fuzz_target.h"

namespace cooper::fuzz {
namespace {

using engine::TextChannel;
using engine::TextDelta;
using Channels = std::map<TextChannel, std::string>;

void Add(const std::vector<TextDelta>& deltas, Channels* channels) {
  for (const TextDelta& delta : deltas) {
    COOPER_CHECK(!delta.text.empty());
    (*channels)[delta.channel] += delta.text;
  }
}

void CheckSplits(absl::string_view text) {
  Channels whole;
  engine::TextChannelParser at_once;
  Add(at_once.Push(text), &whole);
  Add(at_once.Finish(), &whole);
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    Channels joined;
    engine::TextChannelParser parser;
    Add(parser.Push(text.substr(0, cut)), &joined);
    Add(parser.Push(text.substr(cut)), &joined);
    Add(parser.Finish(), &joined);
    COOPER_CHECK(joined == whole);
  }
}

void CheckTags(const std::string& text) {
  const std::optional<engine::MapRequest> request =
      engine::FindMapRequest(text);
  if (request) {
    COOPER_CHECK(text.find(request->match) != std::string::npos);
    COOPER_CHECK(request->match.find(request->content) != std::string::npos);
    const std::string rest = engine::WithoutMatch(text, request->match);
    COOPER_CHECK(rest.find(request->match) == std::string::npos ||
                 rest.size() < text.size());
  }
  const std::string stripped = engine::StripText(text);
  COOPER_CHECK(engine::StripText(stripped) == stripped);
  COOPER_CHECK(text.find(stripped) != std::string::npos);
  const std::optional<std::string> boxed = engine::FindBoxed(text);
  if (boxed) {
    COOPER_CHECK(text.find(*boxed) != std::string::npos);
    COOPER_CHECK(engine::StripText(*boxed) == *boxed);
  }
  const std::string answer = engine::AnswerText(text);
  COOPER_CHECK(engine::StripText(answer) == answer);
  COOPER_CHECK(answer.size() <= text.size());
  engine::HasAnswer(text);
  const std::string words = engine::RequestWords(text);
  COOPER_CHECK(text.find(words) != std::string::npos);
  const std::string cut = engine::CutText(text);
  COOPER_CHECK(text.compare(0, cut.size(), cut) == 0);
  COOPER_CHECK(cut.find("<|im_end|>") == std::string::npos);
}

}  // namespace

void FuzzOne(absl::string_view bytes) {
  model::Utf8Stream stream;  // the engine's texts are valid UTF-8
  std::string text = stream.Push(bytes);
  text += stream.Finish();
  CheckSplits(text);
  CheckTags(text);
}

}  // namespace cooper::fuzz
