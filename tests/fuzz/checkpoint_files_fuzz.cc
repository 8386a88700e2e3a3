// The small files of a checkpoint: configurations, shard index, tokenizer. An
// input is taken for each of them in turn.
#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "base/check.h"
#include "model/checkpoint/config.h"
#include "model/checkpoint/safetensors.h"
#include "model/checkpoint/shard_index.h"
#include "model/tokenizer/tokenizer_files.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/tools/safetensors_writer.h"

namespace cooper::fuzz {
namespace {

void WriteShard(const std::string& path, const std::string& tensor) {
  auto writer = checkpoint::SafetensorsWriter::Create(
      path, {{tensor, checkpoint::DType::kUint8, {1}}});
  COOPER_CHECK(writer.ok());
  COOPER_CHECK((*writer)->Append("x", 1).ok());
  COOPER_CHECK((*writer)->Close().ok());
}

// What a checkpoint has beside the file that is read.
const std::string& Directory() {
  static const std::string* const directory = [] {
    const std::string& path = ScratchDirectory();
    WriteShard(path + "/a.safetensors", "a");
    WriteShard(path + "/b.safetensors", "b");
    WriteFile(path + "/vocab.json", R"({"a": 0, "b": 1, "ab": 2})");
    WriteFile(path + "/tokenizer_config.json", "{}");
    return new std::string(path);
  }();
  return *directory;
}

// A refusal is one printable line, with one of the codes that are promised.
void CheckRefusal(const absl::Status& status) {
  if (status.ok()) return;
  COOPER_CHECK(status.code() == absl::StatusCode::kInvalidArgument ||
               status.code() == absl::StatusCode::kNotFound ||
               status.code() == absl::StatusCode::kDataLoss);
  for (const char c : status.message()) {
    COOPER_CHECK(!absl::ascii_iscntrl(static_cast<unsigned char>(c)));
  }
}

void CheckConfigs(const std::string& text) {
  const auto llm = checkpoint::ParseLlmConfig(text, "llm_config.json");
  CheckRefusal(llm.status());
  if (llm.ok()) COOPER_CHECK(llm->head_dim() > 0);
  CheckRefusal(checkpoint::ParseVitConfig(text, "vit_config.json").status());
  CheckRefusal(
      checkpoint::ParseCooperConfig(text, "cooper_config.json").status());
}

void CheckShards(const std::string& text) {
  WriteFile(Directory() + "/index.json", text);
  const auto shards = checkpoint::OpenShards(Directory(), "index.json");
  CheckRefusal(shards.status());
  if (shards.ok()) COOPER_CHECK(!shards->empty() && shards->size() <= 2);
}

// One file in place of each; where vocab.json is missing tokenizer.json is
// read.
void CheckTokenizer(const std::string& text) {
  const std::string& directory = Directory();
  for (const char* name :
       {"tokenizer.json", "merges.txt", "added_tokens.json",
        "special_tokens_map.json", "tokenizer_config.json"}) {
    WriteFile(directory + "/" + name, text);
    CheckRefusal(tokenizer::ReadTokenizerFiles({directory}).status());
  }
  WriteFile(directory + "/tokenizer_config.json", "{}");
  for (const char* name :
       {"merges.txt", "added_tokens.json", "special_tokens_map.json"}) {
    COOPER_CHECK(std::remove((directory + "/" + name).c_str()) == 0);
  }
}

}  // namespace

void FuzzOne(absl::string_view bytes) {
  const std::string text(bytes);
  CheckConfigs(text);
  CheckShards(text);
  CheckTokenizer(text);
}

}  // namespace cooper::fuzz
