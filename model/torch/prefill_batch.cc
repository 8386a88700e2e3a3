#include "model/torch/prefill_batch.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <utility>

namespace cooper::torch_model {

PrefillBatch::Growth& PrefillBatch::GrowthOf(PagedContext* context) {
  for (Growth& growth : growth_) {
    if (growth.context == context) return growth;
  }
  growth_.push_back({context, 0, 0});
  return growth_.back();
}

void PrefillBatch::Add(PagedContext* context, const EmbeddedSegment& embedded) {
  Growth& growth = GrowthOf(context);
  const int64_t position = context->next_position() + growth.advance;
  Segment segment;
  segment.context = context;
  segment.kv_before = context->cache_length() + growth.tokens;
  segment.causal = embedded.is_text();
  segment.write = true;
  segment.und_begin = static_cast<int64_t>(input_.und_positions.size());
  segment.und_count = embedded.und_rows();
  for (int64_t row = 0; row < segment.und_count; ++row) {
    input_.und_positions.push_back(position + (embedded.is_text() ? row : 0));
  }
  if (embedded.is_text()) {
    input_.und_ids.insert(input_.und_ids.end(), embedded.text.begin(),
                          embedded.text.end());
  } else {
    input_.und_ids.resize(segment.und_begin + segment.und_count);
    input_.given.push_back({segment.und_begin, embedded.und});
  }
  segment.gen_begin = static_cast<int64_t>(input_.gen_positions.size());
  if (embedded.gen.defined()) {
    segment.gen_count = embedded.gen.size(0);
    input_.gen_positions.resize(segment.gen_begin + segment.gen_count,
                                position);
    gen_.push_back(embedded.gen);
  }
  input_.segments.push_back(segment);
  growth.tokens += embedded.tokens();
  growth.advance += embedded.advance();
}

PassInput PrefillBatch::TakeInput(bool need_output) {
  input_.need_und = need_output;
  input_.need_gen = need_output;
  if (!gen_.empty()) input_.hidden.gen = at::cat(gen_);
  return std::move(input_);
}

void PrefillBatch::Drop(const PagedContext* context) {
  std::erase_if(growth_, [&](const Growth& g) { return g.context == context; });
}

void PrefillBatch::Commit() {
  for (const Growth& growth : growth_) {
    growth.context->Commit(growth.tokens, growth.advance);
  }
}

}  // namespace cooper::torch_model
