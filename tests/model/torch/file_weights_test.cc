// Tensors of a checkpoint's files, in the forms in which devices use them.

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "tests/model/checkpoint/temp_directory.h"
#include "tests/model/torch/nano_model.h"
#include "tests/testing/status_matchers.h"
#include "tests/tools/safetensors_writer.h"

namespace cooper::torch_model {
namespace {

using checkpoint::Checkpoint;
using checkpoint::DType;
using checkpoint::SafetensorsFile;
using checkpoint::SafetensorsWriter;
using checkpoint::StoredTensor;
using cooper::testing::StatusIs;
using cooper::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;

const char kNano[] = COOPER_TEST_DATA "/goldens/nano";
const char kLayer[] = "language_model.model.layers.1.";
constexpr int64_t kHidden = 96;
constexpr int64_t kHeads = 96, kKvHeads = 48;  // rows of q; of k and v

at::ScalarType TypeOf(DType dtype) {
  return dtype == DType::kFloat32   ? at::kFloat
         : dtype == DType::kFloat16 ? at::kHalf
                                    : at::kBFloat16;
}

at::Tensor ReadTensor(const SafetensorsFile& file, const std::string& name) {
  const StoredTensor* stored = file.Find(name);
  EXPECT_NE(stored, nullptr) << name;
  at::Tensor tensor = at::empty(stored->shape, TypeOf(stored->dtype));
  EXPECT_OK(file.Read(*stored, tensor.data_ptr()));
  return tensor;
}

std::string FormName(const std::tuple<DType, int>& form) {
  constexpr const char* kForms[] = {"Fused", "Generic", "BFloat16"};
  return std::string(checkpoint::DTypeName(std::get<0>(form))) +
         kForms[std::get<1>(form)];
}

// The nano checkpoint with its network's weights in `dtype`.
class FileWeightsTest
    : public ::testing::TestWithParam<std::tuple<DType, int>> {
 protected:
  FileWeightsTest() {
    for (const auto& entry : std::filesystem::directory_iterator(kNano)) {
      directory_.Link(entry.path(), entry.path().filename());
    }
    std::filesystem::remove(weights_path());
    const auto from =
        SafetensorsFile::Open(std::string(kNano) + "/ema.safetensors");
    EXPECT_OK(from);
    std::vector<SafetensorsWriter::Entry> entries;
    for (const auto& [name, stored] : (*from)->tensors()) {
      entries.push_back({name, dtype(), stored.shape});
    }
    auto writer = SafetensorsWriter::Create(weights_path(), entries);
    EXPECT_OK(writer);
    for (const auto& [name, stored] : (*from)->tensors()) {
      const at::Tensor tensor = ReadTensor(**from, name).to(TypeOf(dtype()));
      EXPECT_OK((*writer)->Append(tensor.const_data_ptr(), tensor.nbytes()));
    }
    EXPECT_OK((*writer)->Close());
    Open();
  }

  void Open() {
    auto file = SafetensorsFile::Open(weights_path());
    EXPECT_OK(file);
    file_ = *std::move(file);
    auto checkpoint = Checkpoint::Open({directory_.path()});
    EXPECT_OK(checkpoint);
    checkpoint_ = *std::move(checkpoint);
  }

  static DType dtype() { return std::get<0>(GetParam()); }
  // Fused float32, generic float32 or bfloat16.
  static Device device() {
    Device device;
    device.generic_kernels = std::get<1>(GetParam()) == 1;
    if (std::get<1>(GetParam()) == 2) device.dtype = at::kBFloat16;
    return device;
  }
  static at::ScalarType matrix_type() {
    return device().fused_cpu() ? TypeOf(dtype()) : device().dtype;
  }
  std::string weights_path() const {
    return directory_.File("ema.safetensors");
  }
  std::unique_ptr<WeightReader> Weights() const {
    return MakeFileWeights(*checkpoint_, WeightReader::Part::kNetwork,
                           device());
  }
  // Overwrites one value of a tensor in the file.
  void Set(const std::string& name, int64_t index, float value) {
    const at::Tensor one = at::full({1}, value).to(TypeOf(dtype()));
    std::fstream out(weights_path(),
                     std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(static_cast<std::streamoff>(file_->Find(name)->offset_bytes +
                                          index * one.element_size()));
    out.write(static_cast<const char*>(one.const_data_ptr()),
              static_cast<std::streamsize>(one.nbytes()));
    ASSERT_TRUE(out.good());
  }
  absl::Status Load() const {
    LoadOptions options;
    options.checkpoint_dirs = {directory_.path()};
    options.device = "cpu";
    options.dtype = device().dtype_name();
    options.kernels = device().generic_kernels ? "generic" : "auto";
    options.kv_cache_mib = 16;
    return TorchModel::Load(options).status();
  }

  const TempDirectory directory_;
  std::shared_ptr<const SafetensorsFile> file_;
  std::unique_ptr<const Checkpoint> checkpoint_;
};

INSTANTIATE_TEST_SUITE_P(Forms, FileWeightsTest,
                         ::testing::Combine(::testing::Values(DType::kFloat32,
                                                              DType::kFloat16,
                                                              DType::kBFloat16),
                                            ::testing::Values(0, 1, 2)),
                         [](const auto& info) { return FormName(info.param); });

TEST_P(FileWeightsTest, JoinedMatricesHoldTheRowsOfTheirParts) {
  const std::string base = std::string(kLayer) + "self_attn.";
  const auto weights = Weights();
  const at::Tensor joined =
      weights->TakeMatrix({{base + "q_proj.weight", kHeads},
                           {base + "k_proj.weight", kKvHeads},
                           {base + "v_proj.weight", kKvHeads}},
                          kHidden);
  const at::Tensor bias = weights->TakeVector(
      {{base + "q_proj.bias", kHeads}, {base + "v_proj.bias", kKvHeads}});
  ASSERT_OK(weights->status());
  EXPECT_EQ(joined.scalar_type(), matrix_type());
  EXPECT_TRUE(joined.equal(at::cat({ReadTensor(*file_, base + "q_proj.weight"),
                                    ReadTensor(*file_, base + "k_proj.weight"),
                                    ReadTensor(*file_, base + "v_proj.weight")})
                               .to(matrix_type())));
  EXPECT_EQ(bias.scalar_type(), device().dtype);
  EXPECT_TRUE(bias.equal(at::cat({ReadTensor(*file_, base + "q_proj.bias"),
                                  ReadTensor(*file_, base + "v_proj.bias")})
                             .to(device().dtype)));
  EXPECT_EQ(weights->parameters(), joined.numel() + bias.numel());
}

TEST_P(FileWeightsTest, EveryTensorComesInTheDtypeOfTheDevice) {
  const auto weights = Weights();
  std::vector<at::Tensor> taken;
  for (const auto& [name, stored] : file_->tensors()) {
    taken.push_back(weights->Take(name, stored.shape));
  }
  ASSERT_OK(weights->status());
  auto next = taken.begin();
  for (const auto& [name, stored] : file_->tensors()) {
    EXPECT_TRUE(next->equal(ReadTensor(*file_, name).to(device().dtype)))
        << name;
    ++next;
  }
}

TEST_P(FileWeightsTest, AFileThatShrinksWhileItIsReadIsOneLine) {
  const std::string name = std::string(kLayer) + "mlp.up_proj.weight";
  const StoredTensor& stored = *file_->Find(name);
  std::filesystem::resize_file(weights_path(),
                               stored.offset_bytes + stored.bytes - 10);
  const auto weights = Weights();
  weights->Take(std::string(kLayer) + "mlp.gate_proj.weight", {176, kHidden});
  EXPECT_OK(weights->status());
  weights->TakeMatrix({{name, 176}}, kHidden);
  weights->Take("vit_pos_embed.pos_embed", {144, kHidden});
  EXPECT_THAT(weights->status(),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr(weights_path()), HasSubstr(name),
                             HasSubstr("10 bytes too early"))));
}

TEST_P(FileWeightsTest, NamesTensorsWithValuesThatAreNotFinite) {
  EXPECT_OK(Load());
  Set(std::string(kLayer) + "self_attn.k_proj.weight", 2 * kHidden + 5,
      std::numeric_limits<float>::quiet_NaN());
  Set("language_model.model.norm.weight", kHidden - 1,
      -std::numeric_limits<float>::infinity());
  EXPECT_THAT(
      Load(),
      StatusIs(absl::StatusCode::kDataLoss,
               "weights do not fit the configuration: "
               "language_model.model.norm.weight has values that are not "
               "finite; language_model.model.layers.1.self_attn.k_proj.weight "
               "has values that are not finite"));
}

TEST_P(FileWeightsTest, NamesWhatIsMissingOrOfAnotherShape) {
  const auto weights = Weights();
  weights->TakeMatrix(
      {{std::string(kLayer) + "mlp.gate_proj.weight", 180}, {"none", 2}},
      kHidden);
  weights->Take("language_model.model.norm.weight", {kHidden});
  EXPECT_THAT(
      weights->status(),
      StatusIs(absl::StatusCode::kDataLoss,
               "weights do not fit the configuration: "
               "language_model.model.layers.1.mlp.gate_proj.weight is [176,96] "
               "and should be [180,96]; none [2,96] is missing"));
}

}  // namespace
}  // namespace cooper::torch_model
