#include "model/torch/memory_plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "model/checkpoint/tensor_list.h"

namespace cooper::torch_model {
namespace {

constexpr int64_t kFirstPoolTokens = 65536;
constexpr int64_t kLeastPoolPages = 16;
constexpr int64_t kUsualHostTokens = 65536;
constexpr int64_t kUsualHostBytes = int64_t{256} << 20;  // or more
// Part of the memory below which a server refuses work (rpc/memory_watch.h).
constexpr int64_t kReservedShare = 10;
constexpr int64_t kLeastMargin = int64_t{1} << 30;
constexpr int64_t kMarginDivisor = 8;  // of the workspace

// Values of hidden_size float32 that a row has at once: its own, norms,
// queries, keys and values, and the widest of the MLP.
constexpr int64_t kWideValuesOfARow = 10;
// Feature maps as large as the image that the autoencoder has at once.
constexpr int64_t kFeatureMaps = 8;

int64_t Pages(int64_t tokens) {
  return (tokens + KvPool::kPageTokens - 1) / KvPool::kPageTokens;
}

absl::Status TooLittle(const MemoryPlan& plan, int64_t needed,
                       const DeviceMemory& memory) {
  return absl::ResourceExhaustedError(
      absl::StrCat("too little GPU memory: ", needed, " bytes needed (weights ",
                   plan.weights, ", KV cache ", plan.least_pool, ", workspace ",
                   plan.workspace, ", margin ", plan.margin(), "), ",
                   memory.free_bytes, " of ", memory.total_bytes, " free"));
}

}  // namespace

int64_t MemoryPlan::margin() const {
  return kLeastMargin + workspace / kMarginDivisor;
}

absl::Status MemoryPlan::CheckFree(const DeviceMemory& memory) const {
  const int64_t needed = weights + workspace + margin() + least_pool;
  if (needed <= memory.free_bytes) return absl::OkStatus();
  return TooLittle(*this, needed, memory);
}

absl::StatusOr<int64_t> MemoryPlan::FirstPool(
    const DeviceMemory& memory) const {
  if (asked_pool > 0) return asked_pool;
  const int64_t most = memory.free_bytes - workspace - margin();
  return std::max(least_pool,
                  std::min(Pages(kFirstPoolTokens) * page, most / 2));
}

absl::StatusOr<int64_t> MemoryPlan::FinalPool(
    const DeviceMemory& memory) const {
  const int64_t left = memory.free_bytes - workspace - margin();
  if (left < least_pool) {
    MemoryPlan loaded = *this;
    loaded.weights = 0;  // are there already, and not free
    return TooLittle(loaded, workspace + margin() + least_pool, memory);
  }
  return asked_pool > 0 ? asked_pool : left;
}

int64_t MemoryPlan::UsualHostPool() const {
  return std::max(Pages(kUsualHostTokens) * page, kUsualHostBytes);
}

absl::StatusOr<int64_t> MemoryPlan::HostPool(const DeviceMemory& memory) const {
  const int64_t bytes = asked_pool > 0
                            ? asked_pool
                            : std::min(UsualHostPool(), memory.free_bytes / 2);
  const int64_t least = kLeastPoolPages * page;
  if (bytes < least || bytes > memory.free_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the KV cache: ", bytes >> 20, " MiB of ",
                     memory.free_bytes >> 20, " MiB free; at least ",
                     least >> 20, " MiB are needed (--kv_cache_mib)"));
  }
  return bytes;
}

absl::string_view MemoryPlan::HostPoolWarning(
    int64_t bytes, const DeviceMemory& memory) const {
  if (asked_pool == 0 && bytes < UsualHostPool()) {
    return "the KV cache is small, since little memory is free";
  }
  if (memory.free_bytes - bytes < memory.total_bytes / kReservedShare) {
    return "the KV cache leaves less than a tenth of the memory limit free: "
           "new "
           "work is refused once it is full";
  }
  return "";
}

MemoryPlan PlanMemory(const checkpoint::LlmConfig& llm,
                      const checkpoint::VitConfig& vit,
                      const checkpoint::CooperConfig& cooper,
                      const LoadOptions& options, at::ScalarType dtype) {
  const auto element = static_cast<int64_t>(c10::elementSize(dtype));
  MemoryPlan plan;
  for (const auto& tensors : {checkpoint::NetworkTensors(llm, vit, cooper),
                              checkpoint::AutoencoderTensors(cooper)}) {
    for (const checkpoint::TensorSpec& tensor : tensors) {
      plan.weights += tensor.size() * element;
    }
  }
  const int64_t rows = std::max(options.prefill_rows, options.denoise_rows);
  const int64_t side = cooper.vae_rule.max_size;
  plan.workspace = rows * llm.hidden_size * kWideValuesOfARow *
                       static_cast<int64_t>(sizeof(float)) +
                   side * side * cooper.ae_ch * kFeatureMaps * element;
  plan.page = KvPool::PageBytes(
      {llm.num_hidden_layers, llm.num_key_value_heads, llm.head_dim()}, dtype);
  plan.asked_pool = options.kv_cache_mib << 20;
  plan.least_pool =
      plan.asked_pool > 0
          ? plan.asked_pool
          : std::max(kLeastPoolPages, Pages(options.prefill_rows)) * plan.page;
  return plan;
}

}  // namespace cooper::torch_model
