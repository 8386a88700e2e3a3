#include "server/tracing/call_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "absl/time/clock.h"
#include "tests/testing/fake_clock.h"

namespace cooper::tracing {
namespace {

using ::testing::Contains;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::VariantWith;

constexpr char kMethod[] = "cooper.v1.SpatialReasoningService/Reason";
constexpr char kRecorded[] =
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr char kNotRecorded[] =
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

class CallTraceTest : public ::testing::Test {
 protected:
  Tracer MakeTracer(double ratio = 1.0) {
    return Tracer(ratio, &clock_, [this](std::vector<Span> spans) {
      base::MutexLock lock(&mutex_);
      ++calls_;
      for (Span& span : spans) spans_.push_back(std::move(span));
    });
  }

  cooper::testing::FakeClock clock_;  // far from the wall clock
  base::Mutex mutex_;
  int calls_ = 0;
  std::vector<Span> spans_;
};

TEST_F(CallTraceTest, ACallGoesOnItsCallersTrace) {
  auto trace = MakeTracer().Begin(kRecorded, kMethod);
  ASSERT_NE(trace, nullptr);
  EXPECT_EQ(trace->trace_id(), "0af7651916cd43dd8448eb211c80319c");
  clock_.Advance(absl::Seconds(3));
  trace->End(clock_.Now(), /*failed=*/false, "", {{"answer", int64_t{42}}});
  EXPECT_EQ(calls_, 0) << "somebody still holds it";
  trace.reset();
  ASSERT_THAT(spans_, SizeIs(1));
  const Span& call = spans_[0];
  EXPECT_EQ(call.trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(call.parent_id, "b7ad6b7169203331");
  EXPECT_EQ(call.span_id.size(), 16);
  EXPECT_NE(call.span_id, call.parent_id);
  EXPECT_EQ(call.name, kMethod);
  EXPECT_EQ(call.kind, Span::Kind::kServer);
  EXPECT_EQ(call.end - call.start, absl::Seconds(3));
  EXPECT_LT(absl::AbsDuration(absl::Now() - call.start), absl::Minutes(1))
      << "of the wall clock";
  EXPECT_FALSE(call.failed);
  EXPECT_THAT(call.attributes,
              Contains(Pair("rpc.method", VariantWith<std::string>("Reason"))));
  EXPECT_THAT(
      call.attributes,
      Contains(Pair("rpc.service", VariantWith<std::string>(
                                       "cooper.v1.SpatialReasoningService"))));
  EXPECT_THAT(call.attributes,
              Contains(Pair("answer", VariantWith<int64_t>(42))));
}

TEST_F(CallTraceTest, TheCallerDecidesWhetherACallIsRecorded) {
  EXPECT_EQ(MakeTracer(1.0).Begin(kNotRecorded, kMethod), nullptr);
  EXPECT_NE(MakeTracer(0.0).Begin(kRecorded, kMethod), nullptr);
}

TEST_F(CallTraceTest, WithoutACallersTraceANewOneBegins) {
  const Tracer tracer = MakeTracer();
  std::set<std::string> ids;
  for (const char* header : {"", "nonsense", ""}) {
    const auto trace = tracer.Begin(header, kMethod);
    ASSERT_NE(trace, nullptr);
    EXPECT_EQ(trace->trace_id().size(), 32);
    ids.insert(trace->trace_id());
  }
  EXPECT_THAT(ids, SizeIs(3));
  EXPECT_EQ(spans_[0].parent_id, "");
}

TEST_F(CallTraceTest, TheRatioIsThatOfCallsThatNobodyDecided) {
  EXPECT_EQ(MakeTracer(0.0).Begin("", kMethod), nullptr);
  const Tracer tracer = MakeTracer(0.25);
  int recorded = 0;
  for (int i = 0; i < 4000; ++i) {
    if (tracer.Begin("", kMethod) != nullptr) ++recorded;
  }
  EXPECT_GT(recorded, 800);
  EXPECT_LT(recorded, 1200);
}

TEST_F(CallTraceTest, WorkIsBelowTheCallOrBelowOtherWork) {
  auto trace = MakeTracer().Begin("", kMethod);
  CallTrace::Work request;
  request.name = "request";
  request.start = clock_.Now() + absl::Seconds(1);
  request.end = clock_.Now() + absl::Seconds(2);
  request.span_id = DrawSpanId();
  request.failed = true;
  request.message = "broke";
  CallTrace::Work phase;
  phase.name = "decode";
  phase.start = phase.end = request.start;
  phase.parent_id = request.span_id;
  trace->Add(phase);
  trace->Add(request);
  trace.reset();
  ASSERT_THAT(spans_, SizeIs(3));
  EXPECT_EQ(spans_[1].parent_id, spans_[2].span_id);
  EXPECT_EQ(spans_[2].parent_id, spans_[0].span_id);
  EXPECT_EQ(spans_[2].start - spans_[0].start, absl::Seconds(1));
  EXPECT_EQ(spans_[2].kind, Span::Kind::kInternal);
  EXPECT_TRUE(spans_[2].failed);
  EXPECT_EQ(spans_[2].message, "broke");
  for (const Span& span : spans_) {
    EXPECT_EQ(span.trace_id, spans_[0].trace_id);
  }
}

TEST_F(CallTraceTest, ACallThatDidNotEndHasFailed) {
  MakeTracer().Begin("", kMethod).reset();
  ASSERT_THAT(spans_, SizeIs(1));
  EXPECT_TRUE(spans_[0].failed);
  EXPECT_GE(spans_[0].end, spans_[0].start);
}

TEST_F(CallTraceTest, ALongCallGivesSpansAwayBeforeItsEnd) {
  auto trace = MakeTracer().Begin("", kMethod);
  for (size_t i = 0; i < CallTrace::kMaxTogether + 5; ++i) {
    CallTrace::Work work;
    work.name = std::to_string(i);
    trace->Add(work);
  }
  EXPECT_EQ(calls_, 1);
  EXPECT_THAT(spans_, SizeIs(CallTrace::kMaxTogether - 1));
  trace.reset();
  ASSERT_THAT(spans_, SizeIs(CallTrace::kMaxTogether + 6));
  std::set<std::string> names;
  for (const Span& span : spans_) names.insert(span.name);
  EXPECT_THAT(names, SizeIs(spans_.size())) << "each once, the call's too";
}

TEST_F(CallTraceTest, ThreadsMayAddAtOnce) {
  auto trace = MakeTracer().Begin("", kMethod);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([trace] {
      for (int j = 0; j < 100; ++j) trace->Add({});
    });
  }
  trace.reset();
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(spans_, SizeIs(401));
}

}  // namespace
}  // namespace cooper::tracing
