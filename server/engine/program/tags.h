#ifndef COOPER_SERVER_ENGINE_PROGRAM_TAGS_H_
#define COOPER_SERVER_ENGINE_PROGRAM_TAGS_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "model/options.h"

// What stands in a text of the model (model-spec section 6). Tags match
// case-sensitively, across newlines, the shortest first match; an unclosed tag
// is none.

namespace cooper::engine {

inline constexpr absl::string_view kOpenThought = "<think>";
inline constexpr absl::string_view kCloseThought = "</think>";
inline constexpr absl::string_view kOpenDepth = "<depth-estimation>";
inline constexpr absl::string_view kCloseDepth = "</depth-estimation>";
inline constexpr absl::string_view kOpenSegmentation = "<segmentation>";
inline constexpr absl::string_view kCloseSegmentation = "</segmentation>";
inline constexpr absl::string_view kOpenAnswer = "<answer>";
inline constexpr absl::string_view kCloseAnswer = "</answer>";
// Control tokens, as the codec spells them.
inline constexpr absl::string_view kBosText = "<|im_start|>";
inline constexpr absl::string_view kEosText = "<|im_end|>";

// `raw` up to its first "<|im_end|>", then up to its first "<|im_start|>" (the
// second one, if the leading bos is counted).
std::string CutText(absl::string_view raw);

bool HasAnswer(absl::string_view text);

// A map that a text asks for.
struct MapRequest {
  model::MapKind kind = model::MapKind::kDepth;
  std::string match;    // tag and all
  std::string content;  // between the tags
};
// Depth is looked for first, even if it stands second.
std::optional<MapRequest> FindMapRequest(absl::string_view text);

// What `text` asks for in words: the content of its request's tag, or all of
// it where it has none; stripped.
std::string RequestWords(absl::string_view text);

// `text` without every exact repeat of `match`.
std::string WithoutMatch(absl::string_view text, absl::string_view match);

// Without leading and trailing white space as Python's str.strip knows it.
std::string StripText(absl::string_view text);

// `text` without its requests for maps, begun ones included.
std::string WithoutRequests(std::string text);

// `text` without its thoughts, a begun one included.
std::string WithoutThoughts(absl::string_view text);

// What a text answers, without tags and stripped: what stands in its first
// <answer> outside of thoughts (up to the text's end, if the answer was cut);
// where it has none, what stands outside of thoughts and requests. Empty where
// there is nothing.
std::string AnswerText(absl::string_view text);

// What stands in the last \boxed{...} whose braces balance, stripped.
std::optional<std::string> FindBoxed(absl::string_view text);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_PROGRAM_TAGS_H_
