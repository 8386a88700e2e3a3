#ifndef COOPER_MODEL_TORCH_PASS_H_
#define COOPER_MODEL_TORCH_PASS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "model/torch/kernels.h"
#include "model/torch/transformer.h"

namespace cooper::torch_model {

// A pass over the layers, ragged: the rows of all segments of a batch, kept
// apart by kind so that each weight matrix is read once for all its rows.
struct PassInput : PassLayout {
  // Embeddings. Where `und_ids` tells tokens, `hidden.und` is undefined: the
  // pass looks them up, and puts the `given` rows over those at their place.
  Rows hidden;
  struct Given {
    int64_t row;
    at::Tensor rows;  // [n, hidden]
  };
  std::vector<Given> given;
  // Outputs that are wanted; work that only serves the others is left out in
  // the last layer.
  bool need_und = true;
  bool need_gen = true;
};

// One pass under way. Contexts must have room reserved for segments that
// write; the caller commits them when the pass is complete.
//
// A layer has three stages, each of which may be cut anywhere between rows
// (understanding rows come first), so that a long layer need not hold up other
// work. Results are the same to the bit however a layer is cut, if
// Transformer::exact_by_row.
class Pass {
 public:
  enum class Stage {
    kProject,  // norm; queries, keys and values; rope
    kAttend,
    kMix,  // output projection and MLP
  };
  static constexpr int kStages = 3;
  static constexpr int64_t kAllRows = std::numeric_limits<int64_t>::max();

  Pass(const Transformer* transformer, PassInput input);

  int next_layer() const { return layer_; }
  bool done() const { return layer_ == transformer_->layers(); }
  // The stage of the next part, and the rows of both kinds that it has left.
  Stage next_stage() const { return stage_; }
  int64_t rows_left() const { return rows() - row_; }
  // The next part: up to `rows` (> 0).
  void RunPart(int64_t rows);
  // The rest of the layer.
  void RunLayer();
  void RunAll();

  // Takes out the segments that `drop` marks (by index) and their rows; at any
  // point.
  void Drop(const std::vector<bool>& drop);

  // After the last layer: hidden states after the final norm. Rows of a kind
  // that was not asked for are undefined.
  Rows Finish();

  const std::vector<Segment>& segments() const { return plan_->segments(); }

 private:
  int64_t und_rows() const { return hidden_.und.size(0); }
  int64_t gen_rows() const { return hidden_.gen.size(0); }
  int64_t rows() const { return und_rows() + gen_rows(); }
  bool last() const { return layer_ + 1 == transformer_->layers(); }
  void Project(const RowWindow& window);
  void Mix(const RowWindow& window);
  at::Tensor Mlp(const Expert& expert, at::Tensor x,
                 const at::Tensor& attention) const;
  void EndStage();

  const Transformer* transformer_;
  const bool need_und_, need_gen_;
  const bool only_decodes_;  // rows are next tokens of different contexts
  Rows hidden_;
  Rows delta_;  // of the last MLP, not yet added to hidden
  std::unique_ptr<PassPlan> plan_;

  int layer_ = 0;
  Stage stage_ = Stage::kProject;
  int64_t row_ = 0;       // the next of the stage
  Rows qkv_, attention_;  // of the layer under way
};

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_PASS_H_
