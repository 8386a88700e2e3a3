#include "tests/tools/random_checkpoint.h"

#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "model/checkpoint/position_table.h"
#include "model/checkpoint/safetensors.h"
#include "model/checkpoint/tensor_list.h"
#include "tests/tools/safetensors_writer.h"

namespace cooper::checkpoint {
namespace {

// Bytes, results of merges, then the control tokens a tokenizer must have, then
// the others of the public one.
constexpr const char* kAddedTokens[] = {
    "<|endoftext|>",        "<|im_start|>",       "<|im_end|>",
    "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>",          "<|quad_start|>",     "<|quad_end|>",
    "<|vision_start|>",     "<|vision_end|>",     "<|vision_pad|>",
    "<|image_pad|>",        "<|video_pad|>"};
constexpr int kByteTokens = 256;
// What a few merges of two bytes give.
constexpr const char* kMerges[] = {"t h", "i n", "e r", "a n"};
constexpr int kPlainTokens = kByteTokens + static_cast<int>(std::size(kMerges));
constexpr int kEntries =
    kPlainTokens + static_cast<int>(std::size(kAddedTokens));
constexpr size_t kBlock = 1 << 16;  // values written at once

// SplitMix64: enough for weights that only have to look random.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  // Mean 0, variance 1: a sum of four uniforms, bell-shaped.
  float Bell() {
    const uint64_t bits = Next();
    const int64_t sum = static_cast<int64_t>(bits & 0xFFFF) +
                        static_cast<int64_t>((bits >> 16) & 0xFFFF) +
                        static_cast<int64_t>((bits >> 32) & 0xFFFF) +
                        static_cast<int64_t>(bits >> 48) - int64_t{2} * 0xFFFF;
    return static_cast<float>(sum) * (1.7320508f / 65536.0f);
  }

 private:
  uint64_t state_;
};

uint16_t ToBFloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

float Value(const TensorSpec& spec, float deviation, Random* random) {
  switch (spec.filling) {
    case Filling::kMatrix:
      return random->Bell() * deviation;
    case Filling::kNearOne:
      return 1.0f + 0.1f * random->Bell();
    case Filling::kSmall:
      return 0.02f * random->Bell();
    case Filling::kPositions:
      break;  // WriteTable
  }
  return 0.0f;
}

absl::Status WriteTable(const TensorSpec& spec, SafetensorsWriter* writer) {
  const auto side = static_cast<int64_t>(
      std::lround(std::sqrt(static_cast<double>(spec.shape[0]))));
  const PositionTable table(side, spec.shape[1]);
  std::vector<float> row(spec.shape[1]);
  const size_t row_bytes = row.size() * sizeof(float);
  for (int64_t place = 0; place < spec.shape[0]; ++place) {
    table.Read(place * row_bytes, row_bytes, row.data());
    COOPER_RETURN_IF_ERROR(writer->Append(row.data(), row_bytes));
  }
  return absl::OkStatus();
}

absl::Status WriteTensors(const std::vector<TensorSpec>& specs, DType matrices,
                          uint64_t seed, const std::string& path) {
  const auto dtype_of = [&](const TensorSpec& spec) {
    return spec.filling == Filling::kPositions ? DType::kFloat32 : matrices;
  };
  std::vector<SafetensorsWriter::Entry> entries;
  entries.reserve(specs.size());
  for (const TensorSpec& spec : specs) {
    entries.push_back({spec.name, dtype_of(spec), spec.shape});
  }
  COOPER_ASSIGN_OR_RETURN(const std::unique_ptr<SafetensorsWriter> writer,
                          SafetensorsWriter::Create(path, entries));
  Random random(seed);
  std::vector<float> floats;
  std::vector<uint16_t> halves;
  for (const TensorSpec& spec : specs) {
    if (spec.filling == Filling::kPositions) {
      COOPER_RETURN_IF_ERROR(WriteTable(spec, writer.get()));
      continue;
    }
    const float deviation = 1.0f / std::sqrt(static_cast<float>(spec.fan_in()));
    const bool narrow = dtype_of(spec) == DType::kBFloat16;
    for (int64_t at = 0; at < spec.size();) {
      floats.clear();
      halves.clear();
      for (; at < spec.size() && floats.size() + halves.size() < kBlock; ++at) {
        const float value = Value(spec, deviation, &random);
        if (narrow) {
          halves.push_back(ToBFloat16(value));
        } else {
          floats.push_back(value);
        }
      }
      COOPER_RETURN_IF_ERROR(
          narrow ? writer->Append(halves.data(), halves.size() * 2)
                 : writer->Append(floats.data(), floats.size() * 4));
    }
  }
  return writer->Close();
}

absl::Status WriteJson(const nlohmann::ordered_json& json,
                       const std::string& path) {
  std::ofstream file(path);
  file << json.dump(1) << "\n";
  file.close();
  return file ? absl::OkStatus()
              : absl::UnavailableError(absl::StrCat("cannot write ", path));
}

// The printable character that stands for a byte in a byte-level vocabulary.
std::string ByteSymbol(int byte) {
  const auto printable = [](int b) {
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) ||
           (b >= 0xAE && b <= 0xFF);
  };
  int code = byte;
  if (!printable(byte)) {
    code = 256;
    for (int b = 0; b < byte; ++b) code += printable(b) ? 0 : 1;
  }
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | (code >> 6)),
          static_cast<char>(0x80 | (code & 0x3F))};
}

absl::Status WriteTokenizer(const std::string& directory) {
  nlohmann::ordered_json vocab;
  for (int byte = 0; byte < kByteTokens; ++byte) vocab[ByteSymbol(byte)] = byte;
  std::ofstream merges(directory + "/merges.txt");
  merges << "#version: 0.2\n";
  for (const char* merge : kMerges) {
    merges << merge << "\n";
    vocab[absl::StrReplaceAll(merge, {{" ", ""}})] = vocab.size();
  }
  merges.close();
  COOPER_RETURN_IF_ERROR(WriteJson(vocab, directory + "/vocab.json"));
  nlohmann::ordered_json added;
  for (int id = kPlainTokens; id < kEntries; ++id) {
    added[absl::StrCat(id)] = {{"content", kAddedTokens[id - kPlainTokens]},
                               {"special", true}};
  }
  return WriteJson(
      {{"added_tokens_decoder", added}, {"tokenizer_class", "Qwen2Tokenizer"}},
      directory + "/tokenizer_config.json");
}

absl::Status WriteConfigs(const RandomShape& shape,
                          const std::string& directory) {
  const LlmConfig& llm = shape.llm;
  const VitConfig& vit = shape.vit;
  const CooperConfig& c = shape.cooper;
  COOPER_RETURN_IF_ERROR(
      WriteJson({{"architectures", {"Qwen2ForCausalLM"}},
                 {"model_type", "qwen2"},
                 {"hidden_size", llm.hidden_size},
                 {"intermediate_size", llm.intermediate_size},
                 {"num_hidden_layers", llm.num_hidden_layers},
                 {"num_attention_heads", llm.num_attention_heads},
                 {"num_key_value_heads", llm.num_key_value_heads},
                 {"vocab_size", llm.vocab_size},
                 {"rope_theta", llm.rope_theta},
                 {"rms_norm_eps", llm.rms_norm_eps}},
                directory + "/llm_config.json"));
  COOPER_RETURN_IF_ERROR(
      WriteJson({{"model_type", "siglip_vision_model"},
                 {"hidden_size", vit.hidden_size},
                 {"intermediate_size", vit.intermediate_size},
                 {"num_attention_heads", vit.num_attention_heads},
                 {"num_hidden_layers", vit.num_hidden_layers},
                 {"patch_size", vit.patch_size},
                 {"image_size", vit.image_size},
                 {"num_channels", vit.num_channels},
                 {"layer_norm_eps", vit.layer_norm_eps}},
                directory + "/vit_config.json"));
  return WriteJson(
      {{"name", c.name},
       {"qk_norm", c.qk_norm},
       {"tie_word_embeddings", c.tie_word_embeddings},
       {"vit_drop_last_layers", c.vit_drop_last_layers},
       {"vit_max_num_patch_per_side", c.vit_max_num_patch_per_side},
       {"latent_patch_size", c.latent_patch_size},
       {"max_latent_size", c.max_latent_size},
       {"vae_max_size", c.vae_rule.max_size},
       {"vae_min_size", c.vae_rule.min_size},
       {"vae_stride", c.vae_rule.stride},
       {"vit_max_size", c.vit_rule.max_size},
       {"vit_min_size", c.vit_rule.min_size},
       {"vit_stride", c.vit_rule.stride},
       {"max_pixels", c.vae_rule.max_pixels},
       {"ae_ch", c.ae_ch},
       {"ae_ch_mult", c.ae_ch_mult},
       {"ae_num_res_blocks", c.ae_num_res_blocks},
       {"ae_z_channels", c.ae_z_channels},
       {"ae_downsample", c.ae_downsample},
       {"ae_scale_factor", c.ae_scale_factor},
       {"ae_shift_factor", c.ae_shift_factor},
       {"text_vocab_size", c.text_vocab_size}},
      directory + "/cooper_config.json");
}

RandomShape Nano() {
  RandomShape shape;
  shape.llm = {96, 176, 4, 4, 2, 512, 1e6, 1e-6};
  shape.vit = {48, 104, 4, 3, 14, 168, 3, 1e-6};
  CooperConfig& c = shape.cooper;
  c.vit_max_num_patch_per_side = 12;
  c.max_latent_size = 10;
  c.vae_rule = {128, 64, 16, 12000};
  c.vit_rule = {112, 56, 14, 12000};
  c.ae_ch = 32;
  c.ae_ch_mult = {1, 1, 2, 2};
  c.ae_num_res_blocks = 1;
  return shape;
}

RandomShape Small() {
  RandomShape shape;
  shape.llm = {1024, 2816, 8, 16, 4, 8192, 1e6, 1e-6};
  shape.vit = {256, 1024, 4, 5, 14, 448, 3, 1e-6};
  CooperConfig& c = shape.cooper;
  c.vit_max_num_patch_per_side = 32;
  c.max_latent_size = 32;
  c.vae_rule = {512, 256, 16, int64_t{512} * 512};
  c.vit_rule = {224, 112, 14, int64_t{512} * 512};
  c.ae_ch = 32;
  c.ae_ch_mult = {1, 2, 4, 4};
  return shape;
}

RandomShape SevenB() {
  RandomShape shape;
  shape.llm = {3584, 18944, 28, 28, 4, 152064, 1e6, 1e-6};
  shape.vit = {1152, 4304, 16, 27, 14, 980, 3, 1e-6};
  return shape;
}

}  // namespace

absl::StatusOr<RandomShape> ShapeByName(const std::string& name, int layers) {
  RandomShape shape;
  if (name == "nano") {
    shape = Nano();
  } else if (name == "small") {
    shape = Small();
  } else if (name == "7b") {
    shape = SevenB();
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("--shape: must be nano, small or 7b, not \"", name, "\""));
  }
  if (layers < 0 || layers > 1024) {
    return absl::InvalidArgumentError("--layers: must be in [0, 1024]");
  }
  if (layers > 0) shape.llm.num_hidden_layers = layers;
  shape.cooper.name = absl::StrCat("cooper-random-", name);
  shape.cooper.text_vocab_size = kEntries;
  return shape;
}

int64_t ParameterCount(const RandomShape& shape) {
  int64_t count = 0;
  for (const auto& specs : {NetworkTensors(shape.llm, shape.vit, shape.cooper),
                            AutoencoderTensors(shape.cooper)}) {
    for (const TensorSpec& spec : specs) count += spec.size();
  }
  return count;
}

absl::Status WriteCheckpointFrame(const RandomShape& shape,
                                  const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("cannot make ", directory, ": ", error.message()));
  }
  COOPER_RETURN_IF_ERROR(WriteConfigs(shape, directory));
  return WriteTokenizer(directory);
}

absl::Status WriteRandomCheckpoint(const RandomShape& shape, uint64_t seed,
                                   const std::string& directory) {
  COOPER_RETURN_IF_ERROR(WriteCheckpointFrame(shape, directory));
  COOPER_RETURN_IF_ERROR(
      WriteTensors(NetworkTensors(shape.llm, shape.vit, shape.cooper),
                   DType::kBFloat16, seed, directory + "/ema.safetensors"));
  return WriteTensors(AutoencoderTensors(shape.cooper), DType::kFloat32,
                      seed + 1, directory + "/ae.safetensors");
}

}  // namespace cooper::checkpoint
