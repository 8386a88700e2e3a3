#include <cudnn_frontend.h>
#include <dlfcn.h>

#include <exception>
#include <map>
#include <memory>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "model/cuda/long_attention.h"

// The frontend's headers load cuDNN through this handle.
namespace cudnn_frontend {
void* cudnn_dlhandle = nullptr;
}  // namespace cudnn_frontend

namespace cooper::cuda {
namespace {

namespace fe = cudnn_frontend;
using Attributes = fe::graph::Tensor_attributes;

constexpr const char* kLibrary = "libcudnn.so.9";
// Tokens that lengths are rounded up to a multiple of.
constexpr int64_t kMultiple = 256;
constexpr size_t kMostPlans = 256;

int64_t RoundedUp(int64_t tokens) {
  return (tokens + kMultiple - 1) / kMultiple * kMultiple;
}

// What the tensors are called in a plan.
enum Uid : int64_t {
  kQuery = 1,
  kKeys,
  kValues,
  kOut,
  kQueryOffsets,
  kKeyOffsets,
  kOutOffsets,
  kQueryLengths,
  kKeyLengths,
};

struct Sizes {
  int64_t sequences, queries, keys, query_stride;
  int heads, kv_heads, dim;
  float scale;

  explicit Sizes(const LongAttentionArgs& args)
      : sequences(args.sequences),
        queries(RoundedUp(args.most_queries)),
        keys(RoundedUp(args.most_keys)),
        query_stride(args.query_stride),
        heads(args.heads),
        kv_heads(args.kv_heads),
        dim(args.dim),
        scale(args.scale) {}
  auto Key() const {
    return std::make_tuple(sequences, queries, keys, query_stride, heads,
                           kv_heads, dim, scale);
  }
  bool operator<(const Sizes& other) const { return Key() < other.Key(); }
};

struct Plan {
  fe::graph::Graph graph;
  int64_t workspace_bytes = 0;
};

Attributes Integers(Uid uid, int64_t count) {
  return Attributes()
      .set_uid(uid)
      .set_dim({count, 1, 1, 1})
      .set_stride({1, 1, 1, 1})
      .set_data_type(fe::DataType_t::INT32);
}

class CudnnAttention final : public LongAttention {
 public:
  ~CudnnAttention() override {
    plans_.clear();
    if (handle_ != nullptr) fe::detail::destroy_handle(handle_);
  }

  bool Open() {
    if (fe::cudnn_dlhandle == nullptr) {
      fe::cudnn_dlhandle = dlopen(kLibrary, RTLD_LAZY | RTLD_LOCAL);
    }
    if (fe::cudnn_dlhandle == nullptr) {
      const char* const reason = dlerror();
      error_ = reason != nullptr ? reason : kLibrary;
      return false;
    }
    return Caught([&] {
      if (fe::detail::create_handle(&handle_) == CUDNN_STATUS_SUCCESS) {
        return true;
      }
      error_ = "cudnnCreate failed";
      return false;
    });
  }

  int64_t WorkspaceBytes(const LongAttentionArgs& args) override {
    const Plan* const plan = PlanFor(Sizes(args));
    return plan == nullptr ? -1 : plan->workspace_bytes;
  }

  bool Run(const LongAttentionArgs& args, Stream stream) override {
    Plan* const plan = PlanFor(Sizes(args));
    if (plan == nullptr) return false;
    const auto pointer = [](const void* data) {
      return const_cast<void*>(data);
    };
    std::unordered_map<int64_t, void*> tensors = {
        {kQuery, pointer(args.query)},
        {kKeys, pointer(args.keys)},
        {kValues, pointer(args.values)},
        {kOut, args.out},
        {kQueryOffsets, pointer(args.query_offsets)},
        {kKeyOffsets, pointer(args.key_offsets)},
        {kOutOffsets, pointer(args.out_offsets)},
        {kQueryLengths, pointer(args.query_lengths)},
        {kKeyLengths, pointer(args.key_lengths)}};
    return Caught([&] {
      fe::detail::set_stream(handle_, static_cast<cudaStream_t>(stream.handle));
      return Good(plan->graph.execute(handle_, tensors, args.workspace));
    });
  }

  const std::string& error() const override { return error_; }

 private:
  template <typename Work>
  bool Caught(Work work) {
    try {
      return work();
    } catch (const std::exception& error) {
      error_ = error.what();
      return false;
    }
  }
  bool Good(fe::error_t status) {
    if (status.is_good()) return true;
    error_ = status.get_message();
    return false;
  }

  Plan* PlanFor(const Sizes& sizes) {
    const auto found = plans_.find(sizes);
    if (found != plans_.end()) return found->second.get();
    auto plan = std::make_unique<Plan>();
    if (!Caught([&] { return Build(sizes, plan.get()); })) return nullptr;
    // Rather than to track which of many is used least.
    if (plans_.size() >= kMostPlans) plans_.clear();
    return plans_.emplace(sizes, std::move(plan)).first->second.get();
  }

  bool Build(const Sizes& s, Plan* plan) {
    fe::graph::Graph& graph = plan->graph;
    graph.set_io_data_type(fe::DataType_t::BFLOAT16)
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT);
    const auto offsets = [&](Uid uid) {
      return graph.tensor(Integers(uid, s.sequences + 1));
    };
    const auto lengths = [&](Uid uid) {
      return graph.tensor(Integers(uid, s.sequences));
    };
    const auto dense = [&](int64_t tokens, int64_t heads, int64_t stride) {
      return std::make_pair(
          std::vector<int64_t>{s.sequences, heads, tokens, s.dim},
          std::vector<int64_t>{tokens * stride, s.dim, stride, 1});
    };
    const auto input = [&](Uid uid, const auto& shape, const auto& starts) {
      return graph.tensor(Attributes()
                              .set_uid(uid)
                              .set_dim(shape.first)
                              .set_stride(shape.second)
                              .set_ragged_offset(starts));
    };
    const int64_t kv_stride = int64_t{s.kv_heads} * s.dim;
    const auto key_offsets = offsets(kKeyOffsets);
    const auto query = input(kQuery, dense(s.queries, s.heads, s.query_stride),
                             offsets(kQueryOffsets));
    const auto keys =
        input(kKeys, dense(s.keys, s.kv_heads, kv_stride), key_offsets);
    const auto values =
        input(kValues, dense(s.keys, s.kv_heads, kv_stride), key_offsets);
    const auto options = fe::graph::SDPA_attributes()
                             .set_generate_stats(false)
                             .set_attn_scale(s.scale)
                             .set_padding_mask(true)
                             .set_seq_len_q(lengths(kQueryLengths))
                             .set_seq_len_kv(lengths(kKeyLengths));
    const auto [out, unused] = graph.sdpa(query, keys, values, options);
    const auto out_shape = dense(s.queries, s.heads, int64_t{s.heads} * s.dim);
    out->set_output(true)
        .set_uid(kOut)
        .set_dim(out_shape.first)
        .set_stride(out_shape.second)
        .set_ragged_offset(offsets(kOutOffsets));
    return Good(graph.validate()) &&
           Good(graph.build_operation_graph(handle_)) &&
           Good(graph.create_execution_plans({fe::HeurMode_t::A})) &&
           Good(graph.check_support(handle_)) &&
           Good(graph.build_plans(handle_)) &&
           Good(graph.get_workspace_size(plan->workspace_bytes));
  }

  cudnnHandle_t handle_ = nullptr;
  std::map<Sizes, std::unique_ptr<Plan>> plans_;
  std::string error_;
};

}  // namespace

std::unique_ptr<LongAttention> MakeCudnnAttention(std::string* error) {
  auto attention = std::make_unique<CudnnAttention>();
  if (attention->Open()) return attention;
  *error = attention->error();
  return nullptr;
}

}  // namespace cooper::cuda
