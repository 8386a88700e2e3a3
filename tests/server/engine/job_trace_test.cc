#include "server/engine/job_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace cooper::engine {
namespace {

using ::testing::Contains;
using ::testing::Pair;
using ::testing::VariantWith;
using tracing::Span;

constexpr absl::Time kStart = absl::UnixEpoch();

absl::Time At(int ms) { return kStart + absl::Milliseconds(ms); }

// What `work` leaves in a call's trace.
template <typename Work>
std::vector<Span> SpansOf(Work work) {
  std::vector<Span> spans;
  Span call;
  call.span_id = "c";
  auto trace = std::make_shared<tracing::CallTrace>(
      std::move(call), kStart, absl::ZeroDuration(),
      [&spans](std::vector<Span> all) { spans = std::move(all); });
  {
    JobTrace job(trace);
    work(&job);
  }
  trace.reset();
  return spans;
}

TEST(JobTraceTest, BatchesOfOnePhaseAreOneSpan) {
  const std::vector<Span> spans = SpansOf([](JobTrace* job) {
    job->AddBatch(Phase::kPrefill, At(0), At(10), absl::Milliseconds(4));
    job->AddBatch(Phase::kDecode, At(10), At(12), absl::Milliseconds(1));
    job->AddBatch(Phase::kDecode, At(15), At(18), absl::Milliseconds(2));
    job->AddBatch(Phase::kDenoise, At(18), At(20), absl::Milliseconds(2));
    job->AddBatch(Phase::kDecode, At(20), At(21), absl::Milliseconds(1));
    job->End(At(0), At(21), absl::OkStatus(), {});
  });
  // The call, four stretches, the request.
  ASSERT_EQ(spans.size(), 6);
  const auto expect = [&](int index, const char* name, int start, int end,
                          int64_t batches, double device_time) {
    const Span& span = spans[index];
    EXPECT_EQ(span.name, name);
    EXPECT_EQ(span.start, At(start)) << name;
    EXPECT_EQ(span.end, At(end)) << name;
    EXPECT_EQ(span.parent_id, spans.back().span_id) << name;
    EXPECT_THAT(span.attributes, Contains(Pair("cooper.batches",
                                               VariantWith<int64_t>(batches))));
    EXPECT_THAT(span.attributes,
                Contains(Pair("cooper.device_time_s",
                              VariantWith<double>(device_time))));
  };
  expect(1, "prefill", 0, 10, 1, 0.004);
  expect(2, "decode", 10, 18, 2, 0.003);
  expect(3, "denoise", 18, 20, 1, 0.002);
  expect(4, "decode", 20, 21, 1, 0.001);
  EXPECT_EQ(spans[5].name, "request");
  EXPECT_EQ(spans[5].parent_id, "c");
}

TEST(JobTraceTest, ARequestThatFailedSaysSo) {
  const std::vector<Span> spans = SpansOf([](JobTrace* job) {
    job->Add("queue", At(1), At(2));
    job->End(At(1), At(5), absl::InternalError("broke"), {{"turns", "2"}});
  });
  ASSERT_EQ(spans.size(), 3);
  EXPECT_EQ(spans[1].name, "queue");
  EXPECT_EQ(spans[1].parent_id, spans[2].span_id);
  EXPECT_TRUE(spans[2].failed);
  EXPECT_EQ(spans[2].message, "broke");
  EXPECT_THAT(spans[2].attributes,
              Contains(Pair("turns", VariantWith<std::string>("2"))));
}

TEST(JobTraceTest, WithoutATraceNothingIsRecorded) {
  JobTrace job(nullptr);
  job.Add("queue", At(0), At(1));
  job.AddBatch(Phase::kDecode, At(0), At(1), absl::ZeroDuration());
  job.End(At(0), At(1), absl::OkStatus(), {});
}

}  // namespace
}  // namespace cooper::engine
