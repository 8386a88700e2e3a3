#include "model/torch/pass.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "model/torch/upload.h"

namespace cooper::torch_model {
namespace {

// The MLP's middle is several times as wide as the hidden state: long passes go
// through it in blocks of rows, so that the workspace stays bounded.
constexpr int64_t kMlpRows = 2048;

// Whether the rows are the next tokens of different contexts.
bool OnlyDecodes(const PassInput& input) {
  if (!input.gen_positions.empty() || !input.need_und) return false;
  std::set<const PagedContext*> contexts;
  return std::all_of(input.segments.begin(), input.segments.end(),
                     [&](const Segment& segment) {
                       return segment.write && segment.und_count == 1 &&
                              contexts.insert(segment.context).second;
                     });
}

// The rows of `range`; changes to them are changes to `rows`.
at::Tensor In(const RowRange& range, const at::Tensor& rows) {
  return rows.narrow(0, range.begin, range.count());
}

// Puts what was computed of `range` into `all` of `rows` rows.
void Place(at::Tensor computed, const RowRange& range, int64_t rows,
           at::Tensor* all) {
  if (range.count() == rows) {
    *all = std::move(computed);
    return;
  }
  if (range.begin == 0) {
    *all = at::empty({rows, computed.size(1)}, computed.options());
  }
  In(range, *all).copy_(computed);
}

}  // namespace

Pass::Pass(const Transformer* transformer, PassInput input)
    : transformer_(transformer),
      need_und_(input.need_und || transformer->recorder_ != nullptr),
      need_gen_(input.need_gen || transformer->recorder_ != nullptr),
      only_decodes_(OnlyDecodes(input)),
      hidden_(std::move(input.hidden)) {
  const std::vector<PassInput::Given> given = std::move(input.given);
  plan_ = transformer->kernels_->Prepare(std::move(input),
                                         transformer->inverse_frequency_);
  if (plan_->und_ids().defined()) {
    hidden_.und = transformer->Embed(plan_->und_ids());
    for (const PassInput::Given& part : given) {
      In({part.row, part.row + part.rows.size(0)}, hidden_.und)
          .copy_(part.rows);
    }
  }
  if (!hidden_.gen.defined()) hidden_.gen = hidden_.und.narrow(0, 0, 0);
  if (transformer->recorder_ != nullptr) {
    transformer->recorder_->OnPassInput(plan_->layout(), hidden_);
  }
}

void Pass::RunPart(int64_t rows) {
  COOPER_CHECK(!done() && rows > 0);
  const Transformer& t = *transformer_;
  if (only_decodes_ && t.kernels_->DecodeLayer(
                           layer_, t.shape_, t.layers_[layer_].und, *plan_,
                           t.config_.rms_norm_eps, hidden_.und, delta_.und)) {
    ++layer_;
    return;
  }
  const RowRange part{row_, row_ + std::min(rows, rows_left())};
  const RowRange gen = part.Within(und_rows(), gen_rows());
  const RowWindow window{part.Within(0, und_rows()),
                         {gen.begin - und_rows(), gen.end - und_rows()}};
  switch (stage_) {
    case Stage::kProject:
      Project(window);
      break;
    case Stage::kAttend:
      t.kernels_->Attend(layer_, t.shape_, *plan_, qkv_, window, &attention_);
      break;
    case Stage::kMix:
      Mix(window);
      break;
  }
  row_ = part.end;
  if (row_ == this->rows()) EndStage();
}

void Pass::Project(const RowWindow& window) {
  const Transformer& t = *transformer_;
  const Transformer::Layer& layer = t.layers_[layer_];
  const double eps = t.config_.rms_norm_eps;
  const auto project = [&](const Expert& expert, const RowRange& range,
                           const at::Tensor& hidden, const at::Tensor& delta,
                           const RowAngles& angles, at::Tensor* all) {
    if (range.count() == 0) return;
    at::Tensor x = In(range, hidden);
    const at::Tensor normed =
        delta.defined()
            ? t.kernels_->AddNorm(x, In(range, delta), expert.input_norm, eps)
            : t.kernels_->Norm(x, expert.input_norm, eps);
    at::Tensor qkv = expert.qkv(normed);
    t.kernels_->NormRope(qkv, t.shape_, expert.q_norm, expert.k_norm,
                         angles.In(range), eps);
    Place(std::move(qkv), range, hidden.size(0), all);
  };
  project(layer.und, window.und, hidden_.und, delta_.und, plan_->und(),
          &qkv_.und);
  project(layer.gen, window.gen, hidden_.gen, delta_.gen, plan_->gen(),
          &qkv_.gen);
}

void Pass::Mix(const RowWindow& window) {
  const Transformer::Layer& layer = transformer_->layers_[layer_];
  const auto mix = [&](const Expert& expert, bool needed, const RowRange& range,
                       const at::Tensor& hidden, const at::Tensor& attention,
                       at::Tensor* delta) {
    if (range.count() == 0 || (last() && !needed)) return;
    Place(Mlp(expert, In(range, hidden), In(range, attention)), range,
          hidden.size(0), delta);
  };
  mix(layer.und, need_und_, window.und, hidden_.und, attention_.und,
      &delta_.und);
  mix(layer.gen, need_gen_, window.gen, hidden_.gen, attention_.gen,
      &delta_.gen);
}

at::Tensor Pass::Mlp(const Expert& expert, at::Tensor x,
                     const at::Tensor& attention) const {
  Kernels& kernels = *transformer_->kernels_;
  const at::Tensor normed =
      kernels.AddNorm(x, expert.out(attention), expert.post_norm,
                      transformer_->config_.rms_norm_eps);
  const int64_t rows = normed.size(0);
  if (rows <= kMlpRows) {
    return expert.down(kernels.SiluMul(expert.gate_up(normed)));
  }
  at::Tensor out = at::empty_like(normed);
  for (int64_t begin = 0; begin < rows; begin += kMlpRows) {
    const RowRange block{begin, std::min(begin + kMlpRows, rows)};
    In(block, out)
        .copy_(expert.down(kernels.SiluMul(expert.gate_up(In(block, normed)))));
  }
  return out;
}

void Pass::EndStage() {
  const Transformer& t = *transformer_;
  row_ = 0;
  switch (stage_) {
    case Stage::kProject: {
      const at::Tensor none =
          at::empty({0, t.shape_.qkv_width()}, hidden_.und.options());
      if (und_rows() == 0) qkv_.und = none;
      if (gen_rows() == 0) qkv_.gen = none;
      t.kernels_->WriteCache(layer_, t.shape_, *plan_, qkv_);
      // The last layer of a pass that only fills the cache ends here.
      if (last() && !need_und_ && !need_gen_) {
        qkv_ = Rows();
        ++layer_;
        return;
      }
      const int64_t width = t.shape_.heads * t.shape_.dim;
      attention_.und = at::empty({qkv_.und.size(0), width}, qkv_.und.options());
      attention_.gen = at::empty({qkv_.gen.size(0), width}, qkv_.gen.options());
      stage_ = Stage::kAttend;
      return;
    }
    case Stage::kAttend:
      qkv_ = Rows();
      stage_ = Stage::kMix;
      return;
    case Stage::kMix:
      attention_ = Rows();
      stage_ = Stage::kProject;
      ++layer_;
      return;
  }
}

void Pass::RunLayer() {
  const int layer = layer_;
  while (layer_ == layer) RunPart(kAllRows);
}

void Pass::RunAll() {
  while (!done()) RunLayer();
}

void Pass::Drop(const std::vector<bool>& drop) {
  const PassLayout& all = plan_->layout();
  PassLayout kept;
  std::vector<int64_t> und_kept;
  std::vector<int64_t> gen_kept;
  const int64_t und_before = und_rows();
  int64_t row = 0;  // of those kept, how many the stage has done
  for (size_t i = 0; i < all.segments.size(); ++i) {
    if (drop[i]) continue;
    Segment segment = all.segments[i];
    const int64_t und_begin = static_cast<int64_t>(und_kept.size());
    const int64_t gen_begin = static_cast<int64_t>(gen_kept.size());
    for (int64_t k = 0; k < segment.und_count; ++k) {
      und_kept.push_back(segment.und_begin + k);
      kept.und_positions.push_back(all.und_positions[segment.und_begin + k]);
      if (segment.und_begin + k < row_) ++row;
    }
    for (int64_t k = 0; k < segment.gen_count; ++k) {
      gen_kept.push_back(segment.gen_begin + k);
      kept.gen_positions.push_back(all.gen_positions[segment.gen_begin + k]);
      if (und_before + segment.gen_begin + k < row_) ++row;
    }
    segment.und_begin = und_begin;
    segment.gen_begin = gen_begin;
    kept.segments.push_back(segment);
  }
  const Transformer& t = *transformer_;
  IntegerUpload upload;
  const IntegerUpload::Part und_part = upload.Add(und_kept);
  const IntegerUpload::Part gen_part = upload.Add(gen_kept);
  upload.Send(t.device_);
  const at::Tensor und = upload.Get(und_part);
  const at::Tensor gen = upload.Get(gen_part);
  for (Rows* const of : {&hidden_, &delta_, &qkv_, &attention_}) {
    if (of->und.defined()) of->und = of->und.index_select(0, und);
    if (of->gen.defined()) of->gen = of->gen.index_select(0, gen);
  }
  plan_ = t.kernels_->Prepare(std::move(kept), t.inverse_frequency_);
  row_ = row;
  if (row_ > 0 && row_ == rows()) EndStage();
}

Rows Pass::Finish() {
  COOPER_CHECK(done());
  const Transformer& t = *transformer_;
  const double eps = t.config_.rms_norm_eps;
  const auto finish = [&](bool needed, at::Tensor& x, const at::Tensor& delta,
                          const at::Tensor& weight) {
    if (!needed) return at::Tensor();
    if (x.size(0) == 0 || !delta.defined()) return x;
    return t.kernels_->AddNorm(x, delta, weight, eps);
  };
  Rows out;
  out.und = finish(need_und_, hidden_.und, delta_.und, t.final_norm_);
  out.gen = finish(need_gen_, hidden_.gen, delta_.gen, t.final_norm_gen_);
  if (t.recorder_ != nullptr) t.recorder_->OnPassOutput(out);
  return out;
}

}  // namespace cooper::torch_model
