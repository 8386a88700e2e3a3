#include "model/tokenizer/tokenizer_files.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "model/checkpoint/file_lookup.h"
#include "model/checkpoint/json_file.h"
#include "model/tokenizer/byte_alphabet.h"
#include "model/tokenizer/merges.h"
#include "model/tokenizer/split.h"

namespace cooper::tokenizer {
namespace {

using checkpoint::Directories;
using checkpoint::FileIsThere;
using checkpoint::FindFile;
using checkpoint::JoinPath;
using checkpoint::ParseJsonObject;
using checkpoint::ReadTextFile;
using model::TokenId;
using nlohmann::json;

absl::StatusOr<json> ReadJson(const std::string& file) {
  COOPER_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(file));
  return ParseJsonObject(text, file);
}

// The spelling of `text` in a vocabulary.
std::string SpellingOf(absl::string_view text) {
  std::string spelling;
  for (const char c : text) {
    spelling += SpellingOfByte(static_cast<unsigned char>(c));
  }
  return spelling;
}

// Refuses a tokenizer whose words are split by another pattern: its ids would
// be wrong without a sign.
absl::Status CheckPreTokenizer(const json& splitter, const std::string& file) {
  std::vector<const json*> open = {&splitter};
  while (!open.empty()) {
    const json& node = *open.back();
    open.pop_back();
    if (!node.is_structured()) continue;
    for (const auto& [key, value] : node.items()) {
      if (key == "Regex" && value != json(kQwenPattern)) {
        return Invalid(file, "pre_tokenizer",
                       "only Qwen2's pattern is supported");
      }
      open.push_back(&value);
    }
  }
  return absl::OkStatus();
}

// Reads one tokenizer's files.
class Reader {
 public:
  Reader(const Directories& directories, int64_t vocabulary_size)
      : directories_(directories), vocabulary_size_(vocabulary_size) {}

  absl::StatusOr<TokenizerFiles> Read();

 private:
  std::optional<TokenId> AsTokenId(const json& value) const;
  std::string IdRule() const {
    return absl::StrCat("id must be an integer in [0, ", vocabulary_size_ - 1,
                        "]");
  }
  absl::Status ReadVocabulary(const json& object, const std::string& file);
  absl::Status ReadFastModel(const json& model, const std::string& file);
  absl::Status ReadFast(const json& object, const std::string& file);
  // An added token by its text, or by an object that both formats share.
  absl::Status Add(const std::string& text, TokenId id,
                   const std::string& file);
  absl::Status AddObject(const json& token, TokenId id,
                         const std::string& file);
  absl::Status ReadAddedTokensDecoder(const json& config,
                                      const std::string& file);
  absl::Status ReadAddedTokensFile(const json& object, const std::string& file);
  absl::Status ReadFastAddedTokens(const json& object, const std::string& file);
  // Tokens that a file only names.
  absl::Status ReadNames(const json& object, const std::string& file);
  absl::Status ReadNameList(const json& list, const std::string& file,
                            const std::string& key);
  void AddName(const json& token);
  bool HasSpecialTokens() const;

  // Calls `read` with the last directory's file `name`, if there is one.
  using ReadObject = absl::Status (Reader::*)(const json& object,
                                              const std::string& file);
  absl::Status ReadIfThere(const char* name,
                           std::initializer_list<ReadObject> readers);

  const Directories& directories_;
  const int64_t vocabulary_size_;
  TokenizerFiles files_;
  std::map<std::string, std::string> file_of_added_;  // by text
};

std::optional<TokenId> Reader::AsTokenId(const json& value) const {
  if (!value.is_number_unsigned()) return std::nullopt;
  const uint64_t id = value.get<uint64_t>();
  if (id >= static_cast<uint64_t>(vocabulary_size_)) return std::nullopt;
  return static_cast<TokenId>(id);
}

absl::Status Reader::ReadVocabulary(const json& object,
                                    const std::string& file) {
  files_.vocabulary_file = file;
  std::set<TokenId> seen;
  for (const auto& [spelling, value] : object.items()) {
    const std::optional<TokenId> id = AsTokenId(value);
    if (!id) return Invalid(file, spelling, IdRule());
    if (!seen.insert(*id).second) {
      return Invalid(file, spelling, absl::StrCat("id ", *id, " repeated"));
    }
    if (spelling.empty() || !BytesOfSpelling(spelling)) {
      return Invalid(file, spelling, "not a spelling of bytes");
    }
    files_.vocabulary.emplace(spelling, *id);
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadFastModel(const json& model, const std::string& file) {
  const json null;
  const auto member = [&](const char* key) -> const json& {
    const auto found = model.find(key);
    return found == model.end() ? null : *found;
  };
  if (const json& type = member("type"); !type.is_null() && type != "BPE") {
    return Invalid(file, "model: type", "only \"BPE\" is supported");
  }
  if (member("ignore_merges") == json(true)) {
    return Invalid(file, "model: ignore_merges", "only false is supported");
  }
  if (!member("vocab").is_object()) {
    return Invalid(file, "model: vocab", "must be an object");
  }
  COOPER_RETURN_IF_ERROR(ReadVocabulary(member("vocab"), file));
  if (!member("merges").is_array()) {
    return Invalid(file, "model: merges", "must be a list");
  }
  int number = 0;
  for (const json& merge : member("merges")) {
    const std::string entry = absl::StrCat("model: merges: ", number++);
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
        merge[1].is_string()) {
      files_.merges.emplace_back(merge[0].get<std::string>(),
                                 merge[1].get<std::string>());
    } else if (merge.is_string()) {
      COOPER_RETURN_IF_ERROR(
          ReadMerge(merge.get_ref<const std::string&>(), entry, &files_));
    } else {
      return Invalid(file, entry, "must be \"left right\" or [left, right]");
    }
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadFast(const json& object, const std::string& file) {
  files_.merges_file = file;
  const auto model = object.find("model");
  if (model == object.end() || !model->is_object()) {
    return Invalid(file, "model", "must be an object");
  }
  COOPER_RETURN_IF_ERROR(ReadFastModel(*model, file));
  const auto splitter = object.find("pre_tokenizer");
  return splitter == object.end() ? absl::OkStatus()
                                  : CheckPreTokenizer(*splitter, file);
}

absl::Status Reader::Add(const std::string& text, TokenId id,
                         const std::string& file) {
  const auto [where, fresh] = files_.added.emplace(text, id);
  if (fresh) {
    file_of_added_[text] = file;
    return absl::OkStatus();
  }
  const std::string& other = file_of_added_[text];
  if (other == file) {
    return Invalid(file, absl::StrCat("added token ", id),
                   "text of another added token");
  }
  if (where->second == id) return absl::OkStatus();
  return Invalid(
      file, absl::StrCat("added token \"", text, "\""),
      absl::StrCat("id ", id, ", but ", where->second, " in ", other));
}

absl::Status Reader::AddObject(const json& token, TokenId id,
                               const std::string& file) {
  const std::string entry = absl::StrCat("added token ", id);
  const auto content = token.is_object() ? token.find("content") : token.end();
  if (!token.is_object() || content == token.end() || !content->is_string() ||
      content->get_ref<const std::string&>().empty()) {
    return Invalid(file, entry, "content must be a string, not empty");
  }
  for (const char* key : {"lstrip", "rstrip", "single_word"}) {
    const auto flag = token.find(key);
    if (flag != token.end() && *flag != json(false)) {
      return Invalid(file, entry,
                     absl::StrCat(key, ": only false is supported"));
    }
  }
  return Add(content->get_ref<const std::string&>(), id, file);
}

absl::Status Reader::ReadAddedTokensDecoder(const json& config,
                                            const std::string& file) {
  const auto decoder = config.find("added_tokens_decoder");
  if (decoder == config.end()) return absl::OkStatus();
  if (!decoder->is_object()) {
    return Invalid(file, "added_tokens_decoder", "must be an object");
  }
  for (const auto& [key, token] : decoder->items()) {
    int64_t id = 0;
    if (!absl::SimpleAtoi(key, &id) || id < 0 || id >= vocabulary_size_) {
      return Invalid(
          file, absl::StrCat("added_tokens_decoder: ", key),
          absl::StrCat("must be an id in [0, ", vocabulary_size_ - 1, "]"));
    }
    COOPER_RETURN_IF_ERROR(AddObject(token, static_cast<TokenId>(id), file));
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadAddedTokensFile(const json& object,
                                         const std::string& file) {
  for (const auto& [text, value] : object.items()) {
    const std::optional<TokenId> id = AsTokenId(value);
    if (!id) return Invalid(file, text, IdRule());
    if (text.empty()) return Invalid(file, "\"\"", "must not be empty");
    COOPER_RETURN_IF_ERROR(Add(text, *id, file));
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadFastAddedTokens(const json& object,
                                         const std::string& file) {
  const auto added = object.find("added_tokens");
  if (added == object.end() || added->is_null()) return absl::OkStatus();
  if (!added->is_array()) {
    return Invalid(file, "added_tokens", "must be a list");
  }
  for (const json& token : *added) {
    const std::optional<TokenId> id = token.is_object() && token.contains("id")
                                          ? AsTokenId(token["id"])
                                          : std::nullopt;
    if (!id) return Invalid(file, "added_tokens", IdRule());
    COOPER_RETURN_IF_ERROR(AddObject(token, *id, file));
  }
  return absl::OkStatus();
}

void Reader::AddName(const json& token) {
  const json& content =
      token.is_object() && token.contains("content") ? token["content"] : token;
  if (!content.is_string()) return;
  const std::string& text = content.get_ref<const std::string&>();
  const auto found = files_.vocabulary.find(SpellingOf(text));
  // What has no id in any file gets none.
  if (found != files_.vocabulary.end() &&
      files_.added.emplace(text, found->second).second) {
    file_of_added_[text] = files_.vocabulary_file;
  }
}

absl::Status Reader::ReadNameList(const json& list, const std::string& file,
                                  const std::string& key) {
  if (list.is_null()) return absl::OkStatus();
  if (!list.is_structured()) {
    return Invalid(file, key, "must be a list or an object");
  }
  for (const auto& item : list.items()) {
    const json& token = item.value();
    if (!token.is_string() &&
        !(token.is_object() && token.contains("content"))) {
      return Invalid(file, key,
                     "must hold strings, or objects with their content");
    }
    AddName(token);
  }
  return absl::OkStatus();
}

absl::Status Reader::ReadNames(const json& object, const std::string& file) {
  for (const auto& [key, value] : object.items()) {
    if (key == "additional_special_tokens" || key == "extra_special_tokens" ||
        key == "model_specific_special_tokens") {
      COOPER_RETURN_IF_ERROR(ReadNameList(value, file, key));
    } else if (absl::EndsWith(key, "_token")) {
      AddName(value);
    }
  }
  return absl::OkStatus();
}

bool Reader::HasSpecialTokens() const {
  return std::all_of(std::begin(kSpecialSpellings), std::end(kSpecialSpellings),
                     [this](const char* text) {
                       return files_.added.count(text) > 0 ||
                              files_.vocabulary.count(text) > 0;
                     });
}

absl::Status Reader::ReadIfThere(const char* name,
                                 std::initializer_list<ReadObject> readers) {
  COOPER_ASSIGN_OR_RETURN(const std::optional<std::string> file,
                          FindFile(directories_, name));
  if (!file) {
    files_.sources.push_back(
        absl::StrCat(JoinPath(directories_.back(), name), " (not found)"));
    return absl::OkStatus();
  }
  files_.sources.push_back(*file);
  COOPER_ASSIGN_OR_RETURN(const json object, ReadJson(*file));
  for (const ReadObject read : readers) {
    COOPER_RETURN_IF_ERROR((this->*read)(object, *file));
  }
  return absl::OkStatus();
}

absl::StatusOr<TokenizerFiles> Reader::Read() {
  COOPER_ASSIGN_OR_RETURN(const std::string directory,
                          checkpoint::FindVocabulary(directories_));
  const std::string slow = JoinPath(directory, "vocab.json");
  files_.merges_file = JoinPath(directory, "merges.txt");
  COOPER_ASSIGN_OR_RETURN(const bool vocabulary_is_there, FileIsThere(slow));
  COOPER_ASSIGN_OR_RETURN(const bool merges_are_there,
                          FileIsThere(files_.merges_file));
  const bool is_slow = vocabulary_is_there && merges_are_there;
  if (is_slow) {
    COOPER_ASSIGN_OR_RETURN(const json vocabulary, ReadJson(slow));
    COOPER_RETURN_IF_ERROR(ReadVocabulary(vocabulary, slow));
    COOPER_ASSIGN_OR_RETURN(const std::string merges,
                            ReadTextFile(files_.merges_file));
    COOPER_RETURN_IF_ERROR(ReadMergesText(merges, &files_));
  } else {
    const std::string fast = JoinPath(directory, "tokenizer.json");
    COOPER_ASSIGN_OR_RETURN(const json object, ReadJson(fast));
    COOPER_RETURN_IF_ERROR(ReadFast(object, fast));
    COOPER_RETURN_IF_ERROR(ReadFastAddedTokens(object, fast));
    files_.sources.push_back(fast);
  }
  if (files_.merges.empty()) {
    return Invalid(files_.merges_file, "merges", "there are none");
  }
  COOPER_RETURN_IF_ERROR(
      ReadIfThere("tokenizer_config.json",
                  {&Reader::ReadAddedTokensDecoder, &Reader::ReadNames}));
  COOPER_RETURN_IF_ERROR(
      ReadIfThere("added_tokens.json", {&Reader::ReadAddedTokensFile}));
  COOPER_RETURN_IF_ERROR(
      ReadIfThere("special_tokens_map.json", {&Reader::ReadNames}));
  if (is_slow && (files_.added.empty() || !HasSpecialTokens())) {
    COOPER_RETURN_IF_ERROR(
        ReadIfThere("tokenizer.json", {&Reader::ReadFastAddedTokens}));
  }
  return std::move(files_);
}

}  // namespace

absl::StatusOr<TokenizerFiles> ReadTokenizerFiles(
    const Directories& directories, int64_t vocabulary_size) {
  return Reader(directories, std::min(vocabulary_size, kMaxVocabulary)).Read();
}

}  // namespace cooper::tokenizer
