// A pass that is cut anywhere, and from which segments leave at any point,
// gives the bits of one that runs through.

#include "model/torch/pass.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/randn.h>

#include <memory>
#include <utility>
#include <vector>

#include "tests/model/torch/nano_model.h"
#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

// A denoising step's pass: three segments of [soi, latents, eoi] over contexts.
class PassTest : public ::testing::Test {
 protected:
  static constexpr int64_t kVaeDecode[] = {20, 286, 7};

  void SetUp() override {
    int64_t hidden = transformer_.hidden_size();
    for (int i = 0; i < 3; ++i) {
      contexts_.push_back(model_.NewContext());
      PrefillAll(model_, contexts_.back().get(), {SomeText(4 + 9 * i, i)});
      und_.push_back(at::randn({2, hidden}));
      gen_.push_back(at::randn({kVaeDecode[i], hidden}));
    }
  }

  PassInput Input(const std::vector<int>& which) const {
    PassInput input;
    input.need_und = false;
    std::vector<at::Tensor> und;
    std::vector<at::Tensor> gen;
    for (const int i : which) {
      Segment segment;
      segment.context = static_cast<PagedContext*>(contexts_[i].get());
      segment.kv_before = segment.context->cache_length();
      segment.und_begin = static_cast<int64_t>(input.und_positions.size());
      segment.und_count = 2;
      segment.gen_begin = static_cast<int64_t>(input.gen_positions.size());
      segment.gen_count = kVaeDecode[i];
      input.segments.push_back(segment);
      const int64_t position = segment.context->next_position();
      input.und_positions.resize(segment.und_begin + 2, position);
      input.gen_positions.resize(segment.gen_begin + segment.gen_count,
                                 position);
      und.push_back(und_[i]);
      gen.push_back(gen_[i]);
    }
    input.hidden.und = at::cat(und);
    input.hidden.gen = at::cat(gen);
    return input;
  }

  at::Tensor Whole(const std::vector<int>& which) const {
    Pass pass(&transformer_, Input(which));
    pass.RunAll();
    return pass.Finish().gen;
  }

  TorchModel& model_ = NanoModel();
  const Transformer& transformer_ = model_.transformer();
  std::vector<std::unique_ptr<model::Context>> contexts_;
  std::vector<at::Tensor> und_, gen_;
};

TEST_F(PassTest, CutAnywhereItGivesTheSameBits) {
  ASSERT_TRUE(transformer_.exact_by_row());
  const at::Tensor whole = Whole({0, 1, 2});
  for (const int64_t rows : {1, 13, 64, 299}) {
    Pass pass(&transformer_, Input({0, 1, 2}));
    while (!pass.done()) pass.RunPart(rows);
    EXPECT_TRUE(pass.Finish().gen.equal(whole)) << rows << " rows a part";
  }
}

TEST_F(PassTest, WhatStaysIsTheSameWhereverASegmentLeaves) {
  const at::Tensor without_first = Whole({1, 2});
  const at::Tensor without_middle = Whole({0, 2});
  const at::Tensor without_last = Whole({0, 1});
  const at::Tensor* const rests[] = {&without_first, &without_middle,
                                     &without_last};
  for (size_t leaves = 0; leaves < 3; ++leaves) {
    std::vector<bool> drop(3);
    drop[leaves] = true;
    bool all_parts = false;
    for (int parts = 0; !all_parts; ++parts) {
      Pass pass(&transformer_, Input({0, 1, 2}));
      for (int i = 0; i < parts && !pass.done(); ++i) pass.RunPart(40);
      all_parts = pass.done();
      if (all_parts) break;
      pass.Drop(drop);
      EXPECT_EQ(pass.segments().size(), 2u);
      pass.RunAll();
      EXPECT_TRUE(pass.Finish().gen.equal(*rests[leaves]))
          << "segment " << leaves << " after " << parts << " parts";
    }
  }
}

TEST_F(PassTest, ALayerHasThreeStages) {
  Pass pass(&transformer_, Input({0, 1, 2}));
  for (const Pass::Stage stage :
       {Pass::Stage::kProject, Pass::Stage::kAttend, Pass::Stage::kMix}) {
    EXPECT_EQ(pass.next_stage(), stage);
    EXPECT_EQ(pass.next_layer(), 0);
    EXPECT_EQ(pass.rows_left(), 3 * 2 + 20 + 286 + 7);
    pass.RunPart(306);
    EXPECT_EQ(pass.next_stage(), stage);
    EXPECT_EQ(pass.rows_left(), 13);
    pass.RunPart(Pass::kAllRows);
  }
  EXPECT_EQ(pass.next_layer(), 1);
  EXPECT_EQ(pass.next_stage(), Pass::Stage::kProject);
}

}  // namespace
}  // namespace cooper::torch_model
