#include "model/torch/generic_plan.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/sin.h>

#include <algorithm>
#include <utility>

#include "model/torch/upload.h"

namespace cooper::torch_model {
namespace {

// What CacheWrites becomes, still on the host.
struct HostWrites {
  std::vector<int64_t> rows, slots;
};

HostWrites WritesOf(const std::vector<Segment>& segments, bool gen) {
  HostWrites writes;
  for (const Segment& segment : segments) {
    if (!segment.write) continue;
    const int64_t begin = gen ? segment.gen_begin : segment.und_begin;
    const int64_t count = gen ? segment.gen_count : segment.und_count;
    for (int64_t row = 0; row < count; ++row) {
      const int64_t token = gen ? segment.GenToken(row) : segment.UndToken(row);
      writes.rows.push_back(begin + row);
      writes.slots.push_back(segment.context->Slot(segment.kv_before + token));
    }
  }
  return writes;
}

// Decoded tokens, texts, and segments whose rows all see each other go in
// separate calls: for sequences of one query the library has a kernel of its
// own. That kernel cuts the keys into a number of parts that follows from the
// number of sequences, so in a deterministic pass each decoded token goes
// alone.
std::vector<AttentionCall> CallsOf(const std::vector<Segment>& segments,
                                   const Device& device) {
  std::vector<AttentionCall> singles;
  AttentionCall texts;
  AttentionCall wholes;
  texts.lengths.causal = true;
  for (size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = segments[i];
    if (segment.tokens() == 1) {
      if (singles.empty() || device.deterministic) singles.emplace_back();
      singles.back().segments.push_back(i);
    } else {
      (segment.causal ? texts : wholes).segments.push_back(i);
    }
  }
  std::vector<AttentionCall> calls = std::move(singles);
  for (AttentionCall* call : {&texts, &wholes}) {
    if (!call->segments.empty()) calls.push_back(std::move(*call));
  }
  return calls;
}

void AddRun(bool gen, int64_t begin, int64_t count, int64_t* place,
            std::vector<RowRun>* runs) {
  if (count == 0) return;
  if (!runs->empty() && runs->back().gen == gen &&
      runs->back().begin + runs->back().count == begin) {
    runs->back().count += count;
  } else {
    runs->push_back({gen, begin, count, *place});
  }
  *place += count;
}

// Fills in what follows from the call's segments; returns the cached slots.
std::vector<int64_t> LayOut(const std::vector<Segment>& segments,
                            AttentionCall* call) {
  std::vector<int64_t> slots;
  int64_t place = 0;
  for (const size_t index : call->segments) {
    const Segment& segment = segments[index];
    AddRun(false, segment.und_begin, segment.und_count, &place, &call->runs);
    AddRun(true, segment.gen_begin, segment.gen_count, &place, &call->runs);
    call->lengths.queries.push_back(segment.tokens());
    call->lengths.keys.push_back(segment.kv_before + segment.tokens());
    call->own_keys = call->own_keys || !segment.write;
    for (int64_t token = 0; token < segment.cached(); ++token) {
      slots.push_back(segment.context->Slot(token));
    }
  }
  return slots;
}

// 1 for each understanding row in generation mode.
std::vector<int64_t> GenerationRows(const PassLayout& layout) {
  std::vector<int64_t> rows(layout.und_positions.size());
  for (const Segment& segment : layout.segments) {
    if (!segment.generation()) continue;
    std::fill_n(rows.begin() + segment.und_begin, segment.und_count, 1);
  }
  return rows;
}

RowAngles AnglesOf(const at::Tensor& positions,
                   const at::Tensor& inverse_frequency, at::ScalarType dtype) {
  const at::Tensor angles =
      at::outer(positions.to(at::kFloat), inverse_frequency);
  RowAngles result;
  result.cos = angles.cos();
  result.sin = angles.sin();
  if (dtype == at::kFloat) return result;
  result.narrow_cos = result.cos.to(dtype);
  result.narrow_sin = result.sin.to(dtype);
  result.cos = result.narrow_cos.to(at::kFloat);
  result.sin = result.narrow_sin.to(at::kFloat);
  return result;
}

}  // namespace

std::unique_ptr<GenericPlan> GenericPlan::Make(
    PassLayout layout, const at::Tensor& inverse_frequency,
    const Device& device) {
  using Part = IntegerUpload::Part;
  const std::vector<Segment>& segments = layout.segments;
  const auto und_rows = static_cast<int64_t>(layout.und_positions.size());
  const auto gen_rows = static_cast<int64_t>(layout.gen_positions.size());

  IntegerUpload upload;
  const Part positions{upload.Add(layout.und_positions).begin,
                       und_rows + gen_rows};
  upload.Add(layout.gen_positions);
  const bool with_ids = !layout.und_ids.empty();
  const Part ids = upload.Add(layout.und_ids);

  const std::vector<int64_t> generation = GenerationRows(layout);
  const auto in_generation =
      std::count(generation.begin(), generation.end(), 1);
  const bool mixed = in_generation > 0 && in_generation < und_rows &&
                     device.dtype != at::kFloat;
  const Part generation_rows =
      upload.Add(mixed ? generation : std::vector<int64_t>());

  const auto add_writes = [&](bool gen) {
    const HostWrites writes = WritesOf(segments, gen);
    return std::pair{upload.Add(writes.rows), upload.Add(writes.slots)};
  };
  const auto und_writes = add_writes(false);
  const auto gen_writes = add_writes(true);

  std::vector<AttentionCall> calls = CallsOf(segments, device);
  std::vector<Part> slots;
  slots.reserve(calls.size());
  std::vector<std::pair<Part, Part>> offsets;
  for (AttentionCall& call : calls) {
    slots.push_back(upload.Add(LayOut(segments, &call)));
  }
  const Part first_offset = upload.Add({});
  for (const AttentionCall& call : calls) {
    const Part queries = upload.Add(Offsets(call.lengths.queries));
    offsets.emplace_back(queries, upload.Add(Offsets(call.lengths.keys)));
  }
  const Part end = upload.Add({});
  upload.Send(device);

  const RowAngles angles =
      AnglesOf(upload.Get(positions), inverse_frequency, device.dtype);
  RowAngles und = angles.In({0, und_rows});
  RowAngles gen = angles.In({und_rows, und_rows + gen_rows});
  gen.all_generation = true;
  und.all_generation = und_rows > 0 && in_generation == und_rows;
  if (mixed) {
    und.generation =
        upload.Get(generation_rows).to(at::kBool).view({und_rows, 1, 1});
  }

  const at::Tensor all_offsets =
      upload.Get({first_offset.begin, end.begin - first_offset.begin})
          .to(at::kInt);
  for (size_t i = 0; i < calls.size(); ++i) {
    const auto part = [&](const Part& of) {
      return all_offsets.narrow(0, of.begin - first_offset.begin, of.count);
    };
    calls[i].slots = upload.Get(slots[i]);
    calls[i].lengths.query_offsets = part(offsets[i].first);
    calls[i].lengths.key_offsets = part(offsets[i].second);
  }

  std::unique_ptr<GenericPlan> plan(
      new GenericPlan(std::move(layout), std::move(und), std::move(gen),
                      with_ids ? upload.Get(ids) : at::Tensor()));
  const auto writes = [&](const std::pair<Part, Part>& of, int64_t rows) {
    CacheWrites result;
    result.all = rows > 0 && of.first.count == rows;
    result.rows = upload.Get(of.first);
    result.slots = upload.Get(of.second);
    return result;
  };
  plan->und_writes_ = writes(und_writes, und_rows);
  plan->gen_writes_ = writes(gen_writes, gen_rows);
  plan->calls_ = std::move(calls);
  return plan;
}

}  // namespace cooper::torch_model
