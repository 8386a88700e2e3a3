// What a pass over several segments prepares for its layers.

#include "model/torch/generic_plan.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>

#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

std::vector<int64_t> Values(const at::Tensor& tensor) {
  const at::Tensor wide = tensor.to(at::kLong).contiguous();
  const auto* data = wide.const_data_ptr<int64_t>();
  return {data, data + wide.numel()};
}

std::vector<int64_t> From(int64_t first, int64_t count) {
  std::vector<int64_t> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

// Two decoded tokens, a text of three tokens, and a map of four latents whose
// keys and values do not stay. The contexts hold 3, 5, 2 and 6 tokens.
class GenericPlanTest : public ::testing::Test {
 protected:
  static constexpr int64_t kDim = 8;

  GenericPlanTest() {
    for (const int64_t length : {3, 5, 2, 6}) {
      contexts_.push_back(std::make_unique<PagedContext>(&pool_));
      EXPECT_OK(contexts_.back()->Reserve(length));
      contexts_.back()->Commit(length, length);
    }
    Add(0, 1, 0, /*text=*/true);
    Add(1, 1, 0, /*text=*/true);
    Add(2, 3, 0, /*text=*/true);
    Add(3, 2, 4, /*text=*/false);
  }

  void Add(int context, int64_t und, int64_t gen, bool text) {
    Segment segment;
    segment.context = contexts_[context].get();
    segment.kv_before = segment.context->cache_length();
    segment.und_begin = static_cast<int64_t>(layout_.und_positions.size());
    segment.und_count = und;
    segment.gen_begin = static_cast<int64_t>(layout_.gen_positions.size());
    segment.gen_count = gen;
    segment.causal = text;
    segment.write = text;
    if (text) {
      EXPECT_OK(segment.context->Reserve(und));
    }
    const int64_t position = segment.context->next_position();
    for (int64_t row = 0; row < und; ++row) {
      layout_.und_positions.push_back(position + (text ? row : 0));
    }
    layout_.gen_positions.insert(layout_.gen_positions.end(), gen, position);
    layout_.segments.push_back(segment);
  }

  std::unique_ptr<GenericPlan> Make(Device device = Device()) {
    return GenericPlan::Make(layout_, at::ones({kDim / 2}), device);
  }

  // The pool's slots of a context's first tokens.
  std::vector<int64_t> Slots(int context, int64_t count) {
    std::vector<int64_t> slots;
    slots.reserve(count);
    for (int64_t i = 0; i < count; ++i) {
      slots.push_back(contexts_[context]->Slot(i));
    }
    return slots;
  }

  KvPool pool_{{1, 2, kDim}, /*pages=*/8, Device()};
  std::vector<std::unique_ptr<PagedContext>> contexts_;
  PassLayout layout_;
};

TEST_F(GenericPlanTest, TokensTextsAndMapsAttendInACallEach) {
  const std::unique_ptr<GenericPlan> plan = Make();
  ASSERT_EQ(plan->calls().size(), 3u);
  const AttentionCall& tokens = plan->calls()[0];
  EXPECT_EQ(tokens.segments, (std::vector<size_t>{0, 1}));
  EXPECT_EQ(tokens.lengths.queries, (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(tokens.lengths.keys, (std::vector<int64_t>{4, 6}));
  EXPECT_EQ(Values(tokens.lengths.key_offsets),
            (std::vector<int64_t>{0, 4, 10}));
  // Their rows lie one behind the other: one piece.
  ASSERT_EQ(tokens.runs.size(), 1u);
  EXPECT_EQ(tokens.runs[0].count, 2);
  const AttentionCall& texts = plan->calls()[1];
  EXPECT_TRUE(texts.lengths.causal);
  EXPECT_EQ(texts.lengths.keys, std::vector<int64_t>{5});
  EXPECT_EQ(Values(texts.slots), Slots(2, 5));
  const AttentionCall& maps = plan->calls()[2];
  EXPECT_FALSE(maps.lengths.causal);
  EXPECT_TRUE(maps.own_keys);
  EXPECT_EQ(maps.lengths.queries, std::vector<int64_t>{6});
  EXPECT_EQ(maps.lengths.keys, std::vector<int64_t>{12});
  EXPECT_EQ(Values(maps.slots), Slots(3, 6));
  ASSERT_EQ(maps.runs.size(), 2u);
  EXPECT_TRUE(maps.runs[1].gen);
  EXPECT_EQ(maps.runs[1].place, 2);
}

// The library cuts the keys of one token into parts by how many tokens there
// are in the call.
TEST_F(GenericPlanTest, DeterministicEveryTokenAttendsAlone) {
  Device device;
  device.deterministic = true;
  const std::unique_ptr<GenericPlan> plan = Make(device);
  ASSERT_EQ(plan->calls().size(), 4u);
  EXPECT_EQ(plan->calls()[0].segments, std::vector<size_t>{0});
  EXPECT_EQ(plan->calls()[1].segments, std::vector<size_t>{1});
  EXPECT_EQ(plan->calls()[1].runs[0].begin, 1);
}

TEST_F(GenericPlanTest, OnlyWhatStaysIsWritten) {
  const std::unique_ptr<GenericPlan> plan = Make();
  EXPECT_FALSE(plan->und_writes().all);
  EXPECT_EQ(Values(plan->und_writes().rows), From(0, 5));
  const std::vector<int64_t> slots = {
      contexts_[0]->Slot(3), contexts_[1]->Slot(5), contexts_[2]->Slot(2),
      contexts_[2]->Slot(3), contexts_[2]->Slot(4)};
  EXPECT_EQ(Values(plan->und_writes().slots), slots);
  EXPECT_EQ(plan->gen_writes().slots.size(0), 0);
  layout_.segments.pop_back();
  layout_.und_positions.resize(5);
  layout_.gen_positions.clear();
  EXPECT_TRUE(Make()->und_writes().all);
}

TEST_F(GenericPlanTest, TheAnglesOfARowAreItsPosition) {
  Device device;
  const std::unique_ptr<GenericPlan> plan = Make(device);
  const at::Tensor want = at::ones({kDim / 2});
  EXPECT_TRUE(plan->und().cos[1].allclose((want * 5).cos()));
  EXPECT_TRUE(plan->und().sin[4].allclose((want * 4).sin()));
  EXPECT_TRUE(plan->gen().sin[3].allclose((want * 6).sin()));
  EXPECT_FALSE(plan->und().narrow_cos.defined());
  // Under bfloat16 float32 angles have values that bfloat16 has too.
  device.dtype = at::kBFloat16;
  const std::unique_ptr<GenericPlan> narrow = Make(device);
  EXPECT_TRUE(narrow->und().cos.equal(narrow->und().narrow_cos.to(at::kFloat)));
  EXPECT_EQ(Values(narrow->und().generation),
            (std::vector<int64_t>{0, 0, 0, 0, 0, 1, 1}));
  EXPECT_TRUE(narrow->gen().all_generation);
}

TEST_F(GenericPlanTest, TokenIdsComeWithTheUpload) {
  EXPECT_FALSE(Make()->und_ids().defined());
  layout_.und_ids = From(40, 7);
  EXPECT_EQ(Values(Make()->und_ids()), From(40, 7));
}

TEST_F(GenericPlanTest, APassWithoutSegmentsNeedsNothing) {
  layout_ = PassLayout();
  EXPECT_TRUE(Make()->calls().empty());
}

}  // namespace
}  // namespace cooper::torch_model
