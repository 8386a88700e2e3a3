#include "model/tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"

namespace cooper::tokenizer {

void AddedTokens::Add(std::string spelling, model::TokenId id) {
  auto& tokens = by_first_byte_[static_cast<unsigned char>(spelling[0])];
  tokens.push_back({std::move(spelling), id});
  std::sort(tokens.begin(), tokens.end(), [](const Token& a, const Token& b) {
    return a.spelling.size() > b.spelling.size();
  });
}

AddedTokens::Match AddedTokens::Find(absl::string_view text,
                                     size_t from) const {
  for (size_t i = from; i < text.size(); ++i) {
    for (const Token& token :
         by_first_byte_[static_cast<unsigned char>(text[i])]) {
      if (absl::StartsWith(text.substr(i), token.spelling)) {
        return {i, token.spelling.size(), token.id};
      }
    }
  }
  return {text.size(), 0, 0};
}

}  // namespace cooper::tokenizer
