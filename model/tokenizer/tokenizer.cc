#include "model/tokenizer/tokenizer.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "model/tokenizer/added_tokens.h"
#include "model/tokenizer/bpe.h"
#include "model/tokenizer/byte_alphabet.h"
#include "model/tokenizer/normalize.h"
#include "model/tokenizer/split.h"
#include "model/tokenizer/tokenizer_files.h"

namespace cooper::tokenizer {

using model::TokenId;

struct Tokenizer::State {
  std::vector<std::string> bytes_of;  // by id; empty: no token
  TokenId id_of_byte[256] = {};
  int64_t size = 0;
  Bpe bpe;
  AddedTokens added;
  model::SpecialTokens special;
  WordSplitter splitter;

  absl::Status AddVocabulary(const TokenizerFiles& files);
  absl::Status AddMerges(const TokenizerFiles& files);
  absl::Status AddAddedTokens(const TokenizerFiles& files);
  // The id that the files give to a special token's usual spelling.
  absl::StatusOr<TokenId> Special(const std::string& text,
                                  const TokenizerFiles& files);
  absl::Status FindSpecial(const TokenizerFiles& files);
  absl::Status TakeSpecial(const model::SpecialTokens& ids,
                           const TokenizerFiles& files);
  // False: the id has another token.
  bool Place(TokenId id, const std::string& bytes);
};

namespace {

// Spelt as Qwen2's control tokens are, which no merge makes.
bool IsControlSpelling(absl::string_view text) {
  return absl::StartsWith(text, "<|") && absl::EndsWith(text, "|>");
}

}  // namespace

bool Tokenizer::State::Place(TokenId id, const std::string& bytes) {
  if (static_cast<size_t>(id) >= bytes_of.size()) bytes_of.resize(id + 1);
  if (bytes_of[id].empty()) {
    bytes_of[id] = bytes;
    ++size;
  }
  return bytes_of[id] == bytes;
}

absl::Status Tokenizer::State::AddVocabulary(const TokenizerFiles& files) {
  for (const auto& [spelling, id] : files.vocabulary) {
    Place(id, *BytesOfSpelling(spelling));
  }
  for (int byte = 0; byte < 256; ++byte) {
    const auto found =
        files.vocabulary.find(SpellingOfByte(static_cast<unsigned char>(byte)));
    if (found == files.vocabulary.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          files.vocabulary_file, ": byte ", byte, " has no token"));
    }
    id_of_byte[byte] = found->second;
  }
  return absl::OkStatus();
}

absl::Status Tokenizer::State::AddMerges(const TokenizerFiles& files) {
  const auto& vocabulary = files.vocabulary;
  std::set<TokenId> made;
  for (const auto& [left, right] : files.merges) {
    const auto left_id = vocabulary.find(left);
    const auto right_id = vocabulary.find(right);
    const auto result = vocabulary.find(left + right);
    if (left_id == vocabulary.end() || right_id == vocabulary.end() ||
        result == vocabulary.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(files.merges_file, ": merge \"", base::Printable(left),
                       " ", base::Printable(right),
                       "\": a token of it is not in ", files.vocabulary_file));
    }
    bpe.AddMerge(left_id->second, right_id->second, result->second);
    made.insert(result->second);
  }
  // Tokens that nothing can produce are a sign of a truncated file.
  size_t left_out = 0;
  for (const auto& [spelling, id] : vocabulary) {
    const std::string text = *BytesOfSpelling(spelling);
    if (text.size() > 1 && made.count(id) == 0 &&
        files.added.count(text) == 0 && !IsControlSpelling(text)) {
      ++left_out;
    }
  }
  if (left_out > 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        files.merges_file, ": its ", files.merges.size(), " merges leave out ",
        left_out, " of the ", vocabulary.size(), " tokens of ",
        files.vocabulary_file, ": is it truncated?"));
  }
  return absl::OkStatus();
}

absl::Status Tokenizer::State::AddAddedTokens(const TokenizerFiles& files) {
  for (const auto& [text, id] : files.added) {
    if (!Place(id, text)) {
      return absl::InvalidArgumentError(absl::StrCat(
          files.vocabulary_file, ": added token \"", base::Printable(text),
          "\": id ", id, " belongs to another token"));
    }
    added.Add(text, id);
  }
  return absl::OkStatus();
}

absl::StatusOr<TokenId> Tokenizer::State::Special(const std::string& text,
                                                  const TokenizerFiles& files) {
  if (const auto found = files.added.find(text); found != files.added.end()) {
    return found->second;
  }
  // Spelt in printable ASCII, which stands for itself in the byte alphabet.
  if (const auto found = files.vocabulary.find(text);
      found != files.vocabulary.end()) {
    added.Add(text, found->second);
    return found->second;
  }
  return absl::NotFoundError(absl::StrCat(
      "special token \"", text, "\": no id in ",
      absl::StrJoin(files.sources, ", "), " or ", files.vocabulary_file));
}

absl::Status Tokenizer::State::FindSpecial(const TokenizerFiles& files) {
  TokenId* const ids[] = {&special.bos, &special.eos, &special.soi,
                          &special.eoi};
  for (size_t i = 0; i < std::size(ids); ++i) {
    COOPER_ASSIGN_OR_RETURN(*ids[i], Special(kSpecialSpellings[i], files));
  }
  return absl::OkStatus();
}

absl::Status Tokenizer::State::TakeSpecial(const model::SpecialTokens& ids,
                                           const TokenizerFiles& files) {
  std::set<TokenId> of_added;
  for (const auto& [text, id] : files.added) of_added.insert(id);
  std::set<TokenId> seen;
  for (const TokenId id : {ids.bos, ids.eos, ids.soi, ids.eoi}) {
    if (of_added.count(id) == 0 || !seen.insert(id).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          "special_tokens of cooper_config.json: ", id,
          of_added.count(id) == 0 ? " is not an added token of "
                                  : " stands there twice; the tokens are in ",
          absl::StrJoin(files.sources, ", ")));
    }
  }
  special = ids;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<const Tokenizer>> Tokenizer::Load(
    const checkpoint::Directories& directories, const Options& options) {
  COOPER_ASSIGN_OR_RETURN(
      const TokenizerFiles files,
      ReadTokenizerFiles(directories, options.vocabulary_size));
  auto state = std::make_unique<State>();
  COOPER_RETURN_IF_ERROR(state->AddVocabulary(files));
  COOPER_RETURN_IF_ERROR(state->AddMerges(files));
  COOPER_RETURN_IF_ERROR(state->AddAddedTokens(files));
  COOPER_RETURN_IF_ERROR(options.special
                             ? state->TakeSpecial(*options.special, files)
                             : state->FindSpecial(files));
  return std::unique_ptr<const Tokenizer>(new Tokenizer(std::move(state)));
}

absl::StatusOr<std::unique_ptr<const Tokenizer>> Tokenizer::Load(
    const std::string& directory) {
  return Load(checkpoint::Directories{directory}, Options());
}

Tokenizer::Tokenizer(std::unique_ptr<const State> state)
    : state_(std::move(state)) {}
Tokenizer::~Tokenizer() = default;

std::vector<TokenId> Tokenizer::Encode(absl::string_view utf8,
                                       model::ControlText control) const {
  const std::string text = NormalizeNfc(utf8);
  std::vector<TokenId> ids;
  std::vector<TokenId> word_ids;
  Bpe::Scratch scratch;
  const auto encode_plain = [&](absl::string_view part) {
    for (const absl::string_view word : state_->splitter.Split(part)) {
      word_ids.clear();
      for (const char c : word) {
        word_ids.push_back(state_->id_of_byte[static_cast<unsigned char>(c)]);
      }
      state_->bpe.Apply(word_ids, &scratch, &ids);
    }
  };
  const absl::string_view whole = text;
  if (control == model::ControlText::kPlain) {
    encode_plain(whole);
    return ids;
  }
  size_t begin = 0;
  while (begin < whole.size()) {
    const AddedTokens::Match match = state_->added.Find(whole, begin);
    encode_plain(whole.substr(begin, match.begin - begin));
    if (match.length > 0) ids.push_back(match.id);
    begin = match.begin + match.length;
  }
  return ids;
}

std::string Tokenizer::TokenBytes(TokenId id) const {
  if (id < 0 || static_cast<size_t>(id) >= state_->bytes_of.size()) return {};
  return state_->bytes_of[id];
}

const model::SpecialTokens& Tokenizer::special() const {
  return state_->special;
}

int64_t Tokenizer::size() const { return state_->size; }

}  // namespace cooper::tokenizer
