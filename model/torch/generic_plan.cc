#include "model/torch/generic_plan.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/sin.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "model/torch/upload.h"

namespace cooper::torch_model {
namespace {

using Part = IntegerUpload::Part;

struct WriteParts {
  Part rows, slots;
};

WriteParts AddWrites(const std::vector<Segment>& segments, bool gen,
                     IntegerUpload* upload) {
  std::vector<int64_t> rows;
  std::vector<int64_t> slots;
  for (const Segment& segment : segments) {
    if (!segment.write) continue;
    const int64_t begin = gen ? segment.gen_begin : segment.und_begin;
    const int64_t count = gen ? segment.gen_count : segment.und_count;
    for (int64_t row = 0; row < count; ++row) {
      const int64_t token = gen ? segment.GenToken(row) : segment.UndToken(row);
      rows.push_back(begin + row);
      slots.push_back(segment.context->Slot(segment.kv_before + token));
    }
  }
  return {upload->Add(rows), upload->Add(slots)};
}

// Of a kind that has `rows` rows.
CacheWrites WritesFrom(const IntegerUpload& upload, const WriteParts& parts,
                       int64_t rows) {
  CacheWrites writes;
  writes.all = rows > 0 && parts.rows.count == rows;
  writes.rows = upload.Get(parts.rows);
  writes.slots = upload.Get(parts.slots);
  return writes;
}

// Whether the paged kernel takes a segment.
bool IsPaged(const Segment& segment, const Device& device) {
  return device.launcher != nullptr && segment.tokens() == 1 &&
         segment.und_count == 1 && segment.write;
}

// Decoded tokens, texts, and segments whose rows all see each other go in
// separate calls: for sequences of one query the library has a kernel of its
// own. That kernel cuts the keys into a number of parts that follows from the
// number of sequences, so in a deterministic pass each decoded token goes
// alone. Our own kernel for them has neither need.
std::vector<AttentionCall> CallsOf(const std::vector<Segment>& segments,
                                   const Device& device) {
  AttentionCall paged;
  std::vector<AttentionCall> singles;
  AttentionCall texts;
  AttentionCall wholes;
  texts.lengths.causal = true;
  for (size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = segments[i];
    if (IsPaged(segment, device)) {
      paged.segments.push_back(i);
    } else if (segment.tokens() == 1) {
      if (singles.empty() || device.deterministic) singles.emplace_back();
      singles.back().segments.push_back(i);
    } else {
      (segment.causal ? texts : wholes).segments.push_back(i);
    }
  }
  std::vector<AttentionCall> calls = std::move(singles);
  for (AttentionCall* call : {&paged, &texts, &wholes}) {
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

// Page table of the calls' contexts, one row each, filled up with page 0.
std::vector<int64_t> PageTable(const std::vector<Segment>& segments,
                               const AttentionCall& call) {
  size_t most = 0;
  std::vector<size_t> counts;
  for (const size_t index : call.segments) {
    counts.push_back(static_cast<size_t>(
        (segments[index].cached() + KvPool::kPageTokens - 1) /
        KvPool::kPageTokens));
    most = std::max(most, counts.back());
  }
  std::vector<int64_t> table;
  table.reserve(most * counts.size());
  for (size_t i = 0; i < counts.size(); ++i) {
    const std::vector<int32_t>& pages =
        segments[call.segments[i]].context->pages();
    const auto count = static_cast<std::ptrdiff_t>(counts[i]);
    table.insert(table.end(), pages.begin(), pages.begin() + count);
    table.resize((i + 1) * most, 0);
  }
  return table;
}

struct PagedParts {
  Part rows, pages, lengths;
};

PagedParts AddPaged(const std::vector<Segment>& segments,
                    const AttentionCall& call, IntegerUpload* upload) {
  std::vector<int64_t> rows;
  std::vector<int64_t> lengths;
  for (const size_t index : call.segments) {
    rows.push_back(segments[index].und_begin);
    lengths.push_back(segments[index].cached());
  }
  return {upload->Add(rows), upload->Add(PageTable(segments, call)),
          upload->Add(lengths)};
}

// Fills in what follows from the call's segments; returns the cached slots.
std::vector<int64_t> LayOut(const std::vector<Segment>& segments, bool paged,
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
    for (int64_t token = 0; !paged && token < segment.cached(); ++token) {
      slots.push_back(segment.context->Slot(token));
    }
  }
  return slots;
}

struct CallParts {
  PagedParts paged;           // no rows: it is not paged
  Part slots, queries, keys;  // of the latter two: offsets
};

// Lays the calls out. The offsets of all calls lie one behind the other.
std::vector<CallParts> AddCalls(const std::vector<Segment>& segments,
                                const Device& device,
                                std::vector<AttentionCall>* calls,
                                IntegerUpload* upload) {
  std::vector<CallParts> parts(calls->size());
  for (size_t i = 0; i < parts.size(); ++i) {
    AttentionCall& call = (*calls)[i];
    const bool paged = IsPaged(segments[call.segments[0]], device);
    if (paged) parts[i].paged = AddPaged(segments, call, upload);
    parts[i].slots = upload->Add(LayOut(segments, paged, &call));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    const SequenceLengths& lengths = (*calls)[i].lengths;
    parts[i].queries = upload->Add(Offsets(lengths.queries));
    parts[i].keys = upload->Add(Offsets(lengths.keys));
  }
  return parts;
}

void FillCalls(const IntegerUpload& upload, const std::vector<CallParts>& parts,
               std::vector<AttentionCall>* calls) {
  if (parts.empty()) return;
  const int64_t first = parts.front().queries.begin;
  const Part& last = parts.back().keys;
  // In one kernel for all calls.
  const at::Tensor offsets =
      upload.Get({first, last.begin + last.count - first}).to(at::kInt);
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto of = [&](const Part& part) {
      return offsets.narrow(0, part.begin - first, part.count);
    };
    AttentionCall& call = (*calls)[i];
    call.slots = upload.Get(parts[i].slots);
    const PagedParts& paged = parts[i].paged;
    if (paged.rows.count > 0) {
      call.paged = {
          upload.Get(paged.rows),
          upload.Get(paged.pages)
              .view({paged.rows.count, paged.pages.count / paged.rows.count}),
          upload.Get(paged.lengths)};
    }
    call.lengths.query_offsets = of(parts[i].queries);
    call.lengths.key_offsets = of(parts[i].keys);
  }
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
  const std::vector<Segment>& segments = layout.segments;
  const auto und_rows = static_cast<int64_t>(layout.und_positions.size());
  const auto gen_rows = static_cast<int64_t>(layout.gen_positions.size());
  const std::vector<int64_t> generation = GenerationRows(layout);
  const auto in_generation =
      std::count(generation.begin(), generation.end(), 1);
  // Whether modes differ between rows, and that matters.
  const bool mixed = in_generation > 0 && in_generation < und_rows &&
                     device.dtype != at::kFloat;
  const bool with_ids = !layout.und_ids.empty();
  std::vector<AttentionCall> calls = CallsOf(segments, device);

  IntegerUpload upload;
  const Part positions{upload.Add(layout.und_positions).begin,
                       und_rows + gen_rows};
  upload.Add(layout.gen_positions);
  const Part ids = upload.Add(layout.und_ids);
  const Part modes = upload.Add(mixed ? generation : std::vector<int64_t>());
  const WriteParts und_writes = AddWrites(segments, /*gen=*/false, &upload);
  const WriteParts gen_writes = AddWrites(segments, /*gen=*/true, &upload);
  const std::vector<CallParts> call_parts =
      AddCalls(segments, device, &calls, &upload);
  upload.Send(device);

  const RowAngles angles =
      AnglesOf(upload.Get(positions), inverse_frequency, device.dtype);
  RowAngles und = angles.In({0, und_rows});
  RowAngles gen = angles.In({und_rows, und_rows + gen_rows});
  gen.all_generation = true;
  und.all_generation = und_rows > 0 && in_generation == und_rows;
  if (mixed) {
    und.generation = upload.Get(modes).to(at::kBool).view({und_rows, 1, 1});
  }
  FillCalls(upload, call_parts, &calls);

  std::unique_ptr<GenericPlan> plan(
      new GenericPlan(std::move(layout), std::move(und), std::move(gen),
                      with_ids ? upload.Get(ids) : at::Tensor()));
  plan->und_writes_ = WritesFrom(upload, und_writes, und_rows);
  plan->gen_writes_ = WritesFrom(upload, gen_writes, gen_rows);
  plan->calls_ = std::move(calls);
  return plan;
}

}  // namespace cooper::torch_model
