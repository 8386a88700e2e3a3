// Attention of sequences laid end to end against its definition.

#include "model/torch/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "model/torch/upload.h"
#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

// softmax(q k^T / sqrt(dim)) v of one sequence, head by head.
at::Tensor Definition(const at::Tensor& query, const at::Tensor& keys,
                      const at::Tensor& values, bool causal) {
  const int64_t n = query.size(0);
  const int64_t m = keys.size(0);
  const int64_t group = query.size(1) / keys.size(1);
  const at::Tensor k = keys.repeat_interleave(group, 1);
  const at::Tensor v = values.repeat_interleave(group, 1);
  at::Tensor scores = at::einsum("nhd,mhd->hnm", {query, k}) /
                      std::sqrt(static_cast<double>(query.size(2)));
  if (causal) {
    const at::Tensor hidden = at::ones({n, m}, at::kBool).triu(m - n + 1);
    scores =
        scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
  }
  return at::einsum("hnm,mhd->nhd", {at::softmax(scores, -1), v});
}

struct Case {
  std::vector<int64_t> queries, keys;
  bool causal;
};

class AttentionTest : public ::testing::TestWithParam<Case> {};

TEST_P(AttentionTest, EachSequenceAttendsToItsOwnKeysOnly) {
  const Case& c = GetParam();
  IntegerUpload upload;
  const auto queries = upload.Add(Offsets(c.queries));
  const auto keys = upload.Add(Offsets(c.keys));
  upload.Send(Device());
  const SequenceLengths lengths{c.queries, c.keys,
                                upload.Get(queries).to(at::kInt),
                                upload.Get(keys).to(at::kInt), c.causal};
  // Rows as they lie in the result of the q, k and v projection.
  constexpr int64_t kHeads = 6;
  constexpr int64_t kDim = 24;
  const at::Tensor rows =
      at::randn({Offsets(c.queries).back(), kHeads * kDim + 10});
  const at::Tensor q =
      rows.narrow(1, 0, kHeads * kDim).view({rows.size(0), kHeads, kDim});
  const at::Tensor k = at::randn({Offsets(c.keys).back(), 2, 24});
  const at::Tensor v = at::randn({Offsets(c.keys).back(), 2, 24});
  const at::Tensor got = AttendSequences(q, k, v, lengths);
  ASSERT_EQ(got.sizes(), q.sizes());
  int64_t query = 0;
  int64_t key = 0;
  for (size_t i = 0; i < c.queries.size(); ++i) {
    const at::Tensor want =
        Definition(q.narrow(0, query, c.queries[i]).to(at::kDouble),
                   k.narrow(0, key, c.keys[i]).to(at::kDouble),
                   v.narrow(0, key, c.keys[i]).to(at::kDouble), c.causal);
    const at::Tensor own = got.narrow(0, query, c.queries[i]);
    EXPECT_LT((own - want).abs().max().item<double>(), 1e-5)
        << "sequence " << i;
    query += c.queries[i];
    key += c.keys[i];
  }
}

// 33 and 65 keys: lengths at which a kernel of libtorch went wrong with a mask.
INSTANTIATE_TEST_SUITE_P(Lengths, AttentionTest,
                         ::testing::Values(Case{{1}, {1}, true},
                                           Case{{1, 1, 1}, {5, 64, 129}, true},
                                           Case{{7, 2}, {7, 33}, true},
                                           Case{{33, 5}, {65, 33}, true},
                                           Case{{9, 4}, {40, 4}, false}));

// What was given to the operator: whether there was a mask, and whether heads
// shared the memory of their keys.
struct Given {
  bool mask = false;
  bool shared = false;
};
std::vector<Given>& GivenLog() {
  static auto* const kLog = new std::vector<Given>;
  return *kLog;
}
std::unique_ptr<at::ObserverContext> Observe(const at::RecordFunction& call) {
  if (std::string(call.name()) != "aten::scaled_dot_product_attention") {
    return nullptr;
  }
  const auto inputs = call.inputs();  // query, key, value, mask, ...
  const auto strides = inputs[1].toTensor().strides();
  GivenLog().push_back(
      {!inputs[3].isNone(),
       std::find(strides.begin(), strides.end(), 0) != strides.end()});
  return nullptr;
}

// Such keys gave wrong results with a mask (pytorch issue 191937); without one
// they save their copies.
TEST(MaskedAttentionTest, KeysUnderAMaskShareNoMemoryBetweenHeads) {
  GivenLog().clear();
  const auto handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(Observe).needsInputs(true).scopes(
          {at::RecordScope::FUNCTION}));
  const auto attend = [](int64_t queries, bool causal) {
    IntegerUpload upload;
    const auto q = upload.Add({0, queries});
    const auto k = upload.Add({0, 9});
    upload.Send(Device());
    AttendSequences(at::randn({queries, 4, 8}), at::randn({9, 2, 8}),
                    at::randn({9, 2, 8}),
                    {{queries},
                     {9},
                     upload.Get(q).to(at::kInt),
                     upload.Get(k).to(at::kInt),
                     causal});
  };
  attend(5, true);
  attend(1, true);
  attend(5, false);
  at::removeCallback(handle);
  ASSERT_EQ(GivenLog().size(), 3u);
  EXPECT_TRUE(GivenLog()[0].mask);
  EXPECT_FALSE(GivenLog()[0].shared);
  for (const size_t unmasked : {1u, 2u}) {
    EXPECT_FALSE(GivenLog()[unmasked].mask);
    EXPECT_TRUE(GivenLog()[unmasked].shared);
  }
}

TEST(WholeSequencesTest, EverySequenceSeesItself) {
  IntegerUpload upload;
  const auto offsets = upload.Add(Offsets({3, 4}));
  upload.Send(Device());
  const SequenceLengths lengths = WholeSequences({3, 4}, upload.Get(offsets));
  EXPECT_EQ(lengths.queries, (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(lengths.keys, lengths.queries);
  EXPECT_FALSE(lengths.causal);
  ASSERT_EQ(lengths.query_offsets.scalar_type(), at::kInt);
  EXPECT_EQ(lengths.query_offsets[2].item<int>(), 7);
}

}  // namespace
}  // namespace cooper::torch_model
