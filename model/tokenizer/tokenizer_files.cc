#include "model/tokenizer/tokenizer_files.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/checkpoint/json_file.h"
#include "model/tokenizer/byte_alphabet.h"
#include "model/tokenizer/split.h"
#include "server/base/logging.h"
#include "server/base/status_macros.h"

namespace cooper::tokenizer {
namespace {

using checkpoint::FileExists;
using checkpoint::ParseJsonObject;
using checkpoint::ReadTextFile;
using model::TokenId;
using nlohmann::json;

// Keeps a wrong id from becoming a large table.
constexpr int64_t kMaxTokenId = (int64_t{1} << 24) - 1;

absl::Status Invalid(absl::string_view file, absl::string_view entry,
                     absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(file, ": ", base::Printable(entry), ": ", what));
}

std::optional<TokenId> AsTokenId(const json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  const uint64_t id = value.get<uint64_t>();
  if (id > uint64_t{kMaxTokenId}) return std::nullopt;
  return static_cast<TokenId>(id);
}

absl::Status ReadVocabulary(const json& object, const std::string& file,
                            TokenizerFiles* out) {
  out->vocabulary_file = file;
  std::set<TokenId> seen;
  for (const auto& [spelling, value] : object.items()) {
    const std::optional<TokenId> id = AsTokenId(value);
    if (!id) {
      return Invalid(
          file, spelling,
          absl::StrCat("id must be an integer in [0, ", kMaxTokenId, "]"));
    }
    if (!seen.insert(*id).second) {
      return Invalid(file, spelling, absl::StrCat("id ", *id, " repeated"));
    }
    if (spelling.empty() || !BytesOfSpelling(spelling)) {
      return Invalid(file, spelling, "not a spelling of bytes");
    }
    out->vocabulary.emplace(spelling, *id);
  }
  return absl::OkStatus();
}

// `line` as "left right".
absl::Status ReadMerge(absl::string_view line, absl::string_view entry,
                       TokenizerFiles* out) {
  const std::vector<std::string> parts = absl::StrSplit(line, ' ');
  if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) {
    return Invalid(out->merges_file, entry,
                   "must be two tokens and a space between them");
  }
  out->merges.emplace_back(parts[0], parts[1]);
  return absl::OkStatus();
}

absl::Status ReadMergesText(const std::string& text, TokenizerFiles* out) {
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripSuffix(line, "\r");
    if (line.empty() || (number == 1 && absl::StartsWith(line, "#version"))) {
      continue;
    }
    COOPER_RETURN_IF_ERROR(ReadMerge(line, absl::StrCat("line ", number), out));
  }
  return absl::OkStatus();
}

// One added token's properties; both formats have the same.
absl::Status ReadAdded(const json& token, TokenId id, const std::string& file,
                       TokenizerFiles* out) {
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
  const std::string& text = content->get_ref<const std::string&>();
  if (!out->added.emplace(text, id).second) {
    return Invalid(file, entry, "text of another added token");
  }
  return absl::OkStatus();
}

absl::Status ReadAddedTokensDecoder(const json& config, const std::string& file,
                                    TokenizerFiles* out) {
  const auto decoder = config.find("added_tokens_decoder");
  if (decoder == config.end()) return absl::OkStatus();
  if (!decoder->is_object()) {
    return Invalid(file, "added_tokens_decoder", "must be an object");
  }
  for (const auto& [key, token] : decoder->items()) {
    int64_t id = 0;
    if (!absl::SimpleAtoi(key, &id) || id < 0 || id > kMaxTokenId) {
      return Invalid(file, absl::StrCat("added_tokens_decoder: ", key),
                     absl::StrCat("must be an id in [0, ", kMaxTokenId, "]"));
    }
    COOPER_RETURN_IF_ERROR(
        ReadAdded(token, static_cast<TokenId>(id), file, out));
  }
  return absl::OkStatus();
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

absl::Status ReadFastModel(const json& model, const std::string& file,
                           TokenizerFiles* out) {
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
  COOPER_RETURN_IF_ERROR(ReadVocabulary(member("vocab"), file, out));
  if (!member("merges").is_array()) {
    return Invalid(file, "model: merges", "must be a list");
  }
  int number = 0;
  for (const json& merge : member("merges")) {
    const std::string entry = absl::StrCat("model: merges: ", number++);
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
        merge[1].is_string()) {
      out->merges.emplace_back(merge[0].get<std::string>(),
                               merge[1].get<std::string>());
    } else if (merge.is_string()) {
      COOPER_RETURN_IF_ERROR(
          ReadMerge(merge.get_ref<const std::string&>(), entry, out));
    } else {
      return Invalid(file, entry, "must be \"left right\" or [left, right]");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<TokenizerFiles> ReadFast(const std::string& file) {
  COOPER_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(file));
  COOPER_ASSIGN_OR_RETURN(const json object, ParseJsonObject(text, file));
  TokenizerFiles files;
  files.merges_file = file;
  const auto model = object.find("model");
  if (model == object.end() || !model->is_object()) {
    return Invalid(file, "model", "must be an object");
  }
  COOPER_RETURN_IF_ERROR(ReadFastModel(*model, file, &files));
  if (const auto splitter = object.find("pre_tokenizer");
      splitter != object.end()) {
    COOPER_RETURN_IF_ERROR(CheckPreTokenizer(*splitter, file));
  }
  const auto added = object.find("added_tokens");
  if (added == object.end() || added->is_null()) return files;
  if (!added->is_array()) {
    return Invalid(file, "added_tokens", "must be a list");
  }
  for (const json& token : *added) {
    const std::optional<TokenId> id = token.is_object() && token.contains("id")
                                          ? AsTokenId(token["id"])
                                          : std::nullopt;
    if (!id) {
      return Invalid(
          file, "added_tokens",
          absl::StrCat("id must be an integer in [0, ", kMaxTokenId, "]"));
    }
    COOPER_RETURN_IF_ERROR(ReadAdded(token, *id, file, &files));
  }
  return files;
}

absl::StatusOr<TokenizerFiles> ReadSlow(const std::string& directory) {
  TokenizerFiles files;
  const std::string vocabulary_file = directory + "/vocab.json";
  files.merges_file = directory + "/merges.txt";
  const std::string config_file = directory + "/tokenizer_config.json";
  COOPER_ASSIGN_OR_RETURN(std::string text, ReadTextFile(vocabulary_file));
  COOPER_ASSIGN_OR_RETURN(json object, ParseJsonObject(text, vocabulary_file));
  COOPER_RETURN_IF_ERROR(ReadVocabulary(object, vocabulary_file, &files));
  COOPER_ASSIGN_OR_RETURN(text, ReadTextFile(files.merges_file));
  COOPER_RETURN_IF_ERROR(ReadMergesText(text, &files));
  COOPER_ASSIGN_OR_RETURN(text, ReadTextFile(config_file));
  COOPER_ASSIGN_OR_RETURN(object, ParseJsonObject(text, config_file));
  COOPER_RETURN_IF_ERROR(ReadAddedTokensDecoder(object, config_file, &files));
  return files;
}

}  // namespace

absl::StatusOr<TokenizerFiles> ReadTokenizerFiles(
    const std::string& directory) {
  const std::string fast = directory + "/tokenizer.json";
  for (const char* name :
       {"vocab.json", "merges.txt", "tokenizer_config.json"}) {
    if (!FileExists(absl::StrCat(directory, "/", name)) && FileExists(fast)) {
      return ReadFast(fast);
    }
  }
  return ReadSlow(directory);
}

}  // namespace cooper::tokenizer
