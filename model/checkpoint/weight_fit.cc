#include "model/checkpoint/weight_fit.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "model/checkpoint/file_lookup.h"
#include "model/checkpoint/position_table.h"
#include "model/checkpoint/tensor_list.h"
#include "model/checkpoint/tensor_names.h"

namespace cooper::checkpoint {
namespace {

constexpr size_t kShown = 5;    // differences or names in a message
constexpr size_t kListed = 64;  // unused tensors in a line of the log
constexpr char kLlmLayers[] = "language_model.model.layers.";
constexpr char kVitLayers[] = "vit_model.vision_model.encoder.layers.";
constexpr char kPatchEmbedding[] =
    "vit_model.vision_model.embeddings.patch_embedding.weight";

std::string Shape(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ","), "]");
}

bool IsFloat(DType dtype) {
  return dtype == DType::kFloat32 || dtype == DType::kFloat16 ||
         dtype == DType::kBFloat16;
}

// N of "PREFIXN.rest".
std::optional<int64_t> LayerOf(absl::string_view name,
                               absl::string_view prefix) {
  int64_t layer = 0;
  if (!absl::ConsumePrefix(&name, prefix) ||
      !absl::SimpleAtoi(name.substr(0, name.find('.')), &layer)) {
    return std::nullopt;
  }
  return layer;
}

// Layers under `prefix`: the highest number in any file, and one. `file` is the
// file that has it.
int64_t CountLayers(const WeightFiles& files, absl::string_view prefix,
                    const SafetensorsFile** file) {
  int64_t count = 0;
  for (const auto& candidate : files) {
    for (const auto& [name, tensor] : candidate->tensors()) {
      const std::optional<int64_t> layer = LayerOf(name, prefix);
      if (!layer || *layer < count) continue;
      count = *layer + 1;
      *file = candidate.get();
    }
  }
  return count;
}

// Of `specs` under `prefix` the first one beyond the stored layers is named.
absl::Status LayersDisagree(const SafetensorsFile& file, int64_t count,
                            absl::string_view what, absl::string_view config,
                            int64_t expected, absl::string_view prefix,
                            const std::vector<TensorSpec>& specs) {
  std::string message =
      absl::StrCat(file.path(), ": holds ", count, " layers of the ", what,
                   ", but num_hidden_layers of ", config, " is ", expected);
  for (const TensorSpec& spec : specs) {
    if (LayerOf(spec.name, prefix) != count) continue;
    absl::StrAppend(&message, ": ", spec.name, " is missing");
    break;
  }
  return absl::DataLossError(message);
}

// The paths of the files, for a fault that none of them has alone.
std::string PathsOf(const WeightFiles& files) {
  return absl::StrJoin(files, ", ", [](std::string* out, const auto& file) {
    out->append(file->path());
  });
}

class Fit {
 public:
  // `owner` is what the tensors belong to, in messages: "network's".
  Fit(std::vector<TensorSpec> specs, const TensorSet& tensors,
      const char* owner)
      : specs_(std::move(specs)), tensors_(tensors), owner_(owner) {
    for (const TensorSpec& spec : specs_) names_.insert(spec.name);
  }

  bool Expects(const std::string& name) const { return names_.count(name) > 0; }

  // What no file has under the expected name, shape and dtype.
  absl::Status CheckTensors() const {
    std::vector<std::string> differences;
    std::set<std::string> paths;
    for (const TensorSpec& spec : specs_) {
      const StoredTensor* stored = tensors_.Find(spec.name);
      if (stored == nullptr) {
        differences.push_back(
            absl::StrCat(spec.name, " ", Shape(spec.shape), " is missing"));
        continue;
      }
      if (stored->shape != spec.shape) {
        differences.push_back(
            absl::StrCat(spec.name, " is ", Shape(stored->shape),
                         " and should be ", Shape(spec.shape)));
      } else if (!IsFloat(stored->dtype)) {
        differences.push_back(absl::StrCat(spec.name, " is ",
                                           DTypeName(stored->dtype),
                                           " and should be F32, F16 or BF16"));
      } else {
        continue;
      }
      if (const SafetensorsFile* file = tensors_.FileOf(spec.name)) {
        paths.insert(file->path());
      }
    }
    if (differences.empty()) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(
        paths.empty() ? PathsOf(tensors_.files()) : absl::StrJoin(paths, ", "),
        ": weights do not fit the configuration: ",
        FirstOf(differences, kShown)));
  }

  // Names that `is_unused` does not accept and that are not expected.
  absl::Status CheckNames(
      const std::function<bool(const std::string&)>& is_unused,
      WeightReport* report) const {
    for (const auto& file : tensors_.files()) {
      UnusedTensors of_file{file->path(), {}};
      std::vector<std::string> unknown;
      for (const auto& [name, tensor] : file->tensors()) {
        if (Expects(name)) continue;
        (is_unused(name) ? of_file.names : unknown).push_back(name);
      }
      if (!unknown.empty()) return Unknown(*file, unknown);
      if (!of_file.names.empty()) {
        report->unused.push_back(std::move(of_file));
      }
    }
    return absl::OkStatus();
  }

  // Counts what comes from each file. The files of the first directory must
  // give something: those of a fine-tune would be served by its base's.
  absl::Status CountFiles(WeightReport* report) const {
    std::map<const SafetensorsFile*, int64_t> counts;
    for (const TensorSpec& spec : specs_) {
      const StoredTensor* stored = tensors_.Find(spec.name);
      if (stored == nullptr) continue;
      ++counts[tensors_.FileOf(spec.name)];
      report->bytes += static_cast<int64_t>(stored->bytes);
    }
    const WeightFiles& files = tensors_.files();
    const auto directory = [](const std::string& path) {
      return path.substr(0, path.size() - FileName(path).size());
    };
    bool any_of_first = false;
    for (const auto& file : files) {
      const int64_t count = counts[file.get()];
      if (count > 0) {
        report->files.push_back({file->path(), count});
        any_of_first |= directory(file->path()) == directory(files[0]->path());
      } else {
        report->notes.push_back(
            absl::StrCat(file->path(), ": none of its tensors is read"));
      }
    }
    if (files.empty() || any_of_first) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(files[0]->path(), ": none of its ",
                                            files[0]->tensors().size(),
                                            " tensors is one of the ", owner_));
  }

 private:
  absl::Status Unknown(const SafetensorsFile& file,
                       const std::vector<std::string>& unknown) const {
    const auto expects = [this](const std::string& name) {
      return Expects(name);
    };
    if (const auto fault =
            NamingFault(unknown, file.tensors().size(), expects)) {
      return absl::DataLossError(absl::StrCat(file.path(), ": ", *fault));
    }
    std::vector<std::string> shown;
    shown.reserve(unknown.size());
    for (const std::string& name : unknown) {
      shown.push_back(base::Printable(name));
    }
    return absl::DataLossError(absl::StrCat(
        file.path(), ": ", unknown.size(), " of its ", file.tensors().size(),
        " tensors are not the ", owner_, ": ", FirstOf(shown, kShown)));
  }

  const std::vector<TensorSpec> specs_;
  const TensorSet& tensors_;
  const char* const owner_;
  std::set<std::string> names_;
};

// Adds the table if no file has it, or one of another grid. It is made when it
// is first read: by then the sizes are known to be those of the files.
void ComputeTable(const TensorSpec& spec, TensorSet* network,
                  std::vector<std::string>* notes) {
  const StoredTensor* stored = network->Find(spec.name);
  const int64_t width = spec.shape[1];
  const bool other_grid = stored != nullptr && stored->shape.size() == 2 &&
                          stored->shape[1] == width &&
                          stored->shape[0] != spec.shape[0];
  if ((stored != nullptr && !other_grid) || width % 4 != 0) return;
  notes->push_back(absl::StrCat(
      spec.name, " ", Shape(spec.shape), " is computed: ",
      stored == nullptr ? "no file has it"
                        : absl::StrCat("it is ", Shape(stored->shape), " in ",
                                       network->FileOf(spec.name)->path())));
  struct Lazy {
    std::once_flag made;
    std::optional<PositionTable> table;
  };
  StoredTensor tensor;
  tensor.name = spec.name;
  tensor.shape = spec.shape;
  tensor.bytes = static_cast<size_t>(spec.size()) * sizeof(float);
  const auto side = static_cast<int64_t>(
      std::lround(std::sqrt(static_cast<double>(spec.shape[0]))));
  network->AddComputed(
      tensor, [side, width, lazy = std::make_shared<Lazy>()](
                  size_t begin, size_t bytes, void* destination) {
        std::call_once(lazy->made, [&] { lazy->table.emplace(side, width); });
        lazy->table->Read(begin, bytes, destination);
        return absl::OkStatus();
      });
}

// A convolution's weight [out, channel, row, column] as the matrix [out, (row,
// column, channel)] that is multiplied with patches.
absl::Status ReshapePatchEmbedding(const VitConfig& vit, TensorSet* network) {
  const StoredTensor* stored = network->Find(kPatchEmbedding);
  const int64_t patch = vit.patch_size;
  const std::vector<int64_t> convolution = {vit.hidden_size, 3, patch, patch};
  if (stored == nullptr || stored->shape != convolution) {
    return absl::OkStatus();
  }
  std::vector<char> from(stored->bytes);
  COOPER_RETURN_IF_ERROR(
      network->Read(kPatchEmbedding, 0, from.size(), from.data()));
  const auto size = static_cast<size_t>(DTypeBytes(stored->dtype));
  const auto to = std::make_shared<std::vector<char>>(from.size());
  const int64_t area = patch * patch;
  for (int64_t out = 0; out < vit.hidden_size; ++out) {
    for (int64_t channel = 0; channel < 3; ++channel) {
      for (int64_t pixel = 0; pixel < area; ++pixel) {
        std::memcpy(&(*to)[((out * area + pixel) * 3 + channel) * size],
                    &from[((out * 3 + channel) * area + pixel) * size], size);
      }
    }
  }
  StoredTensor matrix = *stored;
  matrix.shape = {vit.hidden_size, 3 * area};
  network->AddComputed(matrix, [to](size_t begin, size_t bytes, void* out) {
    std::memcpy(out, to->data() + begin, bytes);
    return absl::OkStatus();
  });
  return absl::OkStatus();
}

absl::Status CheckLayers(const LlmConfig& llm, const VitConfig& vit,
                         int64_t used_vit_layers, const TensorSet& network,
                         const std::vector<TensorSpec>& specs) {
  const SafetensorsFile* file = nullptr;
  const int64_t llm_layers = CountLayers(network.files(), kLlmLayers, &file);
  if (llm_layers > 0 && llm_layers != llm.num_hidden_layers) {
    return LayersDisagree(*file, llm_layers, "language model",
                          "llm_config.json", llm.num_hidden_layers, kLlmLayers,
                          specs);
  }
  const int64_t vit_layers = CountLayers(network.files(), kVitLayers, &file);
  if (vit_layers > 0 &&
      (vit_layers < used_vit_layers || vit_layers > vit.num_hidden_layers)) {
    return LayersDisagree(*file, vit_layers, "vision encoder",
                          "vit_config.json", vit.num_hidden_layers, kVitLayers,
                          specs);
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> WeightReport::Notes() const {
  std::vector<std::string> lines = notes;
  for (const UnusedTensors& of_file : unused) {
    const bool read = std::any_of(
        files.begin(), files.end(),
        [&](const auto& file) { return file.path == of_file.path; });
    if (!read) continue;  // another line says so
    lines.push_back(absl::StrCat(
        of_file.path, ": ", of_file.names.size(),
        " tensors are not used: ", FirstOf(of_file.names, kListed)));
  }
  return lines;
}

absl::Status FitNetwork(const LlmConfig& llm, const VitConfig& vit,
                        const CooperConfig& cooper, TensorSet* network,
                        WeightReport* report) {
  VitConfig used_vit = vit;
  used_vit.num_hidden_layers -= cooper.vit_drop_last_layers;
  const std::vector<TensorSpec> specs = NetworkTensors(llm, used_vit, cooper);
  std::set<std::string> of_autoencoder;
  for (const TensorSpec& spec : AutoencoderTensors(cooper)) {
    of_autoencoder.insert(spec.name);
  }
  const auto is_unused = [&](const std::string& name) {
    const auto vit_layer = LayerOf(name, kVitLayers);
    return (vit_layer && *vit_layer >= used_vit.num_hidden_layers &&
            *vit_layer < vit.num_hidden_layers) ||
           absl::StartsWith(name, "vit_model.vision_model.head.") ||
           name == "vit_model.vision_model.embeddings.position_ids" ||
           (absl::StartsWith(name, "language_model.model.") &&
            absl::EndsWith(name, "rotary_emb.inv_freq")) ||
           (cooper.tie_word_embeddings &&
            name == "language_model.lm_head.weight") ||
           of_autoencoder.count(name) > 0;
  };
  COOPER_RETURN_IF_ERROR(
      CheckLayers(llm, vit, used_vit.num_hidden_layers, *network, specs));
  const Fit fit(specs, *network, "network's");
  COOPER_RETURN_IF_ERROR(fit.CheckNames(is_unused, report));
  for (const TensorSpec& spec : specs) {
    if (spec.filling == Filling::kPositions) {
      ComputeTable(spec, network, &report->notes);
    }
  }
  COOPER_RETURN_IF_ERROR(fit.CountFiles(report));
  COOPER_RETURN_IF_ERROR(ReshapePatchEmbedding(vit, network));
  return fit.CheckTensors();
}

absl::Status FitAutoencoder(const CooperConfig& cooper,
                            const TensorSet& autoencoder,
                            WeightReport* report) {
  const Fit fit(AutoencoderTensors(cooper), autoencoder, "autoencoder's");
  COOPER_RETURN_IF_ERROR(fit.CheckNames(
      [](const std::string& /*name*/) { return false; }, report));
  COOPER_RETURN_IF_ERROR(fit.CountFiles(report));
  return fit.CheckTensors();
}

}  // namespace cooper::checkpoint
