#include "tests/testing/network_recorder.h"

#include <ATen/ops/cat.h>

#include "base/status_macros.h"
#include "model/torch/guard.h"

namespace cooper::torch_model {
namespace {

// A segment's rows of both kinds, in the order of its tokens.
at::Tensor InOrder(const Segment& segment, const Rows& of) {
  const at::Tensor und = of.und.narrow(0, segment.und_begin, segment.und_count);
  if (segment.gen_count == 0) return und.clone();
  return at::cat({und.narrow(0, 0, 1),
                  of.gen.narrow(0, segment.gen_begin, segment.gen_count),
                  und.narrow(0, 1, 1)});
}

std::vector<int64_t> PositionsOf(const Segment& segment,
                                 const PassLayout& layout) {
  std::vector<int64_t> positions(segment.tokens());
  for (int64_t i = 0; i < segment.und_count; ++i) {
    positions[segment.UndToken(i)] =
        layout.und_positions[segment.und_begin + i];
  }
  for (int64_t i = 0; i < segment.gen_count; ++i) {
    positions[segment.GenToken(i)] =
        layout.gen_positions[segment.gen_begin + i];
  }
  return positions;
}

}  // namespace

void NetworkRecorder::OnPassInput(const PassLayout& layout,
                                  const Rows& embeddings) {
  layout_ = layout.segments;
  segments_.clear();
  for (const Segment& segment : layout_) {
    segments_.push_back({InOrder(segment, embeddings),
                         PositionsOf(segment, layout), at::Tensor()});
  }
}

void NetworkRecorder::OnPassOutput(const Rows& hidden) {
  und_output_ = hidden.und.clone();
  for (size_t i = 0; i < layout_.size(); ++i) {
    segments_[i].output = InOrder(layout_[i], hidden);
  }
}

void NetworkRecorder::OnVisionStage(absl::string_view stage,
                                    const at::Tensor& rows) {
  stages_[std::string(stage)].push_back(rows.clone());
}

absl::StatusOr<at::Tensor> DecodeLogits(
    TorchModel& model, const std::vector<model::Context*>& contexts,
    const std::vector<model::TokenId>& tokens) {
  std::vector<model::DecodeItem> items;
  items.reserve(contexts.size());
  for (size_t i = 0; i < contexts.size(); ++i) {
    items.push_back({.context = contexts[i], .token = tokens.at(i)});
  }
  NetworkRecorder recorder;
  const ScopedRecorder recording(&model, &recorder);
  COOPER_RETURN_IF_ERROR(model.Decode(absl::MakeSpan(items)));
  for (const model::DecodeItem& item : items) {
    COOPER_RETURN_IF_ERROR(item.status);
  }
  at::Tensor logits;
  COOPER_RETURN_IF_ERROR(Guarded(model.device(), [&] {
    logits = model.transformer().Logits(recorder.und_output());
    return absl::OkStatus();
  }));
  return logits;
}

}  // namespace cooper::torch_model
