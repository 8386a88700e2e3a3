#include "server/metrics/server_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/metrics/scrape.h"

namespace cooper::metrics {
namespace {

using engine::BatchKind;
using engine::FinishReason;
using engine::Method;
using engine::Phase;
using engine::RequestKind;

using cooper::testing::IdentityBreaches;
using cooper::testing::Scrape;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

class ServerMetricsTest : public ::testing::Test {
 protected:
  Scrape Collect() {
    return Scrape::Parse(
        prometheus::TextSerializer().Serialize(registry_.Collect()));
  }

  prometheus::Registry registry_;
  ServerMetrics metrics_{&registry_};
};

TEST_F(ServerMetricsTest, SeriesWithoutLabelsStartAtZero) {
  const Scrape scrape = Collect();
  EXPECT_GT(scrape.samples.size(), 20u);
  for (const Scrape::Sample& sample : scrape.samples) {
    EXPECT_EQ(sample.value, 0) << sample.name;
  }
}

TEST_F(ServerMetricsTest, SeriesWithLabelsAppearWithTheirFirstEvent) {
  const auto phases = [this] {
    std::set<std::string> values;
    for (const Scrape::Sample& sample : Collect().samples) {
      if (sample.name == "cooper_phase_duration_seconds_count") {
        values.insert(sample.labels.at("phase"));
      }
    }
    return values;
  };
  EXPECT_THAT(phases(), IsEmpty());
  metrics_.PhaseRun(Phase::kEncodeImage, absl::Seconds(1));
  EXPECT_THAT(phases(), ElementsAre("encode_image"));
}

TEST_F(ServerMetricsTest, WhatAlertsCountIsAtZeroFromAMethodsFirstCall) {
  metrics_.RpcStarted(Method::kReason);
  const Scrape scrape = Collect();
  const auto values = [&](const std::string& name, const std::string& label) {
    std::set<std::string> values;
    for (const Scrape::Sample& sample : scrape.samples) {
      if (sample.name != name) continue;
      EXPECT_EQ(sample.labels.at("method"), "Reason");
      EXPECT_EQ(sample.value, 0);
      values.insert(sample.labels.at(label));
    }
    return values;
  };
  EXPECT_THAT(values("cooper_errors_total", "reason"),
              ElementsAre("encode", "engine", "gpu_memory", "numeric"));
  EXPECT_THAT(values("cooper_rejections_total", "reason"),
              ElementsAre("client_limit", "memory_pressure", "queue_full",
                          "queue_timeout"));
  EXPECT_THAT(values("cooper_requests_total", "code"),
              ElementsAre("INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE"));
}

TEST_F(ServerMetricsTest, RetriesAndEvictionsAreAtZeroFromTheStart) {
  const Scrape scrape = Collect();
  EXPECT_THAT(scrape.families.at("cooper_gpu_memory_retries_total").labels,
              ElementsAre("phase"));
  EXPECT_THAT(scrape.families.at("cooper_sessions_evicted_total").labels,
              ElementsAre("reason"));
}

// Upper bounds of the buckets of a histogram, in their order.
std::vector<double> BoundsOf(const Scrape& scrape, const std::string& name) {
  std::vector<double> bounds;
  for (const Scrape::Sample& sample : scrape.samples) {
    if (sample.name != name + "_bucket") continue;
    const std::string& bound = sample.labels.at("le");
    if (bound != "+Inf") bounds.push_back(std::stod(bound));
  }
  return bounds;
}

TEST_F(ServerMetricsTest, BucketsOfTimesBeginBelowWhatIsMeasuredAndAreFine) {
  metrics_.RpcStarted(Method::kReason);
  metrics_.RpcFinished(Method::kReason, 0, absl::Seconds(1));
  metrics_.Queued(RequestKind::kReason, absl::Seconds(1));
  metrics_.BatchRun(BatchKind::kDecode, 1, absl::Seconds(1));
  metrics_.PhaseRun(Phase::kDecode, absl::Seconds(1));
  metrics_.MapDrawn(RequestKind::kDepth, absl::Seconds(1));
  const Scrape scrape = Collect();
  const std::map<std::string, std::pair<double, double>> ranges = {
      {"cooper_time_per_output_token_seconds", {0.0001, 30}},
      {"cooper_engine_step_duration_seconds", {0.0001, 30}},
      {"cooper_phase_duration_seconds", {0.0001, 30}},
      {"cooper_denoise_step_duration_seconds", {0.0001, 30}},
      {"cooper_cancel_latency_seconds", {0.0001, 30}},
      {"cooper_request_duration_seconds", {0.005, 960}},
      {"cooper_queue_duration_seconds", {0.005, 960}},
      {"cooper_time_to_first_token_seconds", {0.005, 960}},
      {"cooper_map_duration_seconds", {0.005, 960}},
  };
  for (const auto& [name, range] : ranges) {
    const std::vector<double> bounds = BoundsOf(scrape, name);
    ASSERT_FALSE(bounds.empty()) << name;
    EXPECT_EQ(bounds.front(), range.first) << name;
    EXPECT_EQ(bounds.back(), range.second) << name;
    for (size_t i = 1; i < bounds.size(); ++i) {
      EXPECT_LE(bounds[i], 2.001 * bounds[i - 1]) << name;
    }
  }
}

TEST_F(ServerMetricsTest, AnIdleScrapeIsSmall) {
  constexpr size_t kLimit = 64 << 10;
  metrics_.SetBuildInfo("1.2.3");
  metrics_.SetModelInfo("model", "cuda:0", "bfloat16");
  metrics_.SetGpuMemory(1, 2, 3);
  EXPECT_LT(Collect().text.size(), kLimit / 2);
}

TEST_F(ServerMetricsTest, LabelsFollowTheirEnums) {
  metrics_.Rejected(Method::kGetModel, "unimplemented");
  metrics_.Cancelled(Method::kEstimateDepth, "stall", Phase::kDenoise);
  metrics_.Failed(Method::kGenerateImage, "encode");
  metrics_.ImageRejected("scans");
  metrics_.Finished(FinishReason::kMaxTokens);
  metrics_.BatchRun(BatchKind::kDenoise, 7, absl::Milliseconds(20));
  metrics_.PhaseRun(Phase::kVaeDecode, absl::Seconds(2));
  metrics_.MapDrawn(RequestKind::kSegmentation, absl::Seconds(4));
  metrics_.Queued(RequestKind::kDepth, absl::Seconds(1));
  metrics_.ModelLoaded(LoadStage::kWarmUp, absl::Seconds(3));
  const Scrape scrape = Collect();
  const auto is_one = [&](const std::string& name,
                          const Scrape::Labels& labels) {
    EXPECT_EQ(scrape.Sum(name), scrape.Sum(name, labels)) << name;
    EXPECT_GT(scrape.Sum(name), 0) << name;
  };
  is_one("cooper_rejections_total",
         {{"method", "GetModel"}, {"reason", "unimplemented"}});
  is_one(
      "cooper_cancellations_total",
      {{"method", "EstimateDepth"}, {"cause", "stall"}, {"phase", "denoise"}});
  is_one("cooper_errors_total",
         {{"method", "GenerateImage"}, {"reason", "encode"}});
  is_one("cooper_image_rejections_total", {{"reason", "scans"}});
  is_one("cooper_finish_reason_total", {{"reason", "max_tokens"}});
  is_one("cooper_engine_steps_total", {{"phase", "denoise"}});
  is_one("cooper_batch_size_sum", {{"phase", "denoise"}});
  is_one("cooper_phase_duration_seconds_sum", {{"phase", "vae_decode"}});
  is_one("cooper_images_generated_total", {{"kind", "segmentation"}});
  is_one("cooper_queue_duration_seconds_sum", {{"kind", "depth"}});
  is_one("cooper_model_load_duration_seconds", {{"stage", "warm_up"}});
}

TEST_F(ServerMetricsTest, CodesThatAreNeverSentCountAsInternal) {
  metrics_.RpcStarted(Method::kReason);
  metrics_.RpcFinished(Method::kReason, 2, absl::Seconds(1));
  EXPECT_EQ(Collect().Sum("cooper_requests_total",
                          {{"method", "Reason"}, {"code", "INTERNAL"}}),
            1);
}

TEST_F(ServerMetricsTest, IdentityHoldsWhenEveryEndIsCountedOnce) {
  metrics_.RpcStarted(Method::kReason);
  metrics_.RpcFinished(Method::kReason, 0, absl::Seconds(1));
  metrics_.RpcStarted(Method::kSegment);
  metrics_.Rejected(Method::kSegment, "queue_full");
  metrics_.RpcFinished(Method::kSegment, 8, absl::Seconds(1));
  metrics_.RpcStarted(Method::kReason);
  EXPECT_THAT(IdentityBreaches(Collect()), IsEmpty());
}

TEST_F(ServerMetricsTest, IdentityCheckSeesAnEndThatWasNotCounted) {
  metrics_.RpcStarted(Method::kReason);
  metrics_.RpcFinished(Method::kReason, 13, absl::Seconds(1));
  EXPECT_THAT(IdentityBreaches(Collect()), Not(IsEmpty()));
}

TEST_F(ServerMetricsTest, KvUsageIsAPartOfItsCapacity) {
  metrics_.SetKv(25, 100);
  EXPECT_EQ(Collect().Sum("cooper_kv_cache_usage_ratio"), 0.25);
  metrics_.SetKv(0, 0);
  EXPECT_EQ(Collect().Sum("cooper_kv_cache_usage_ratio"), 0);
}

TEST_F(ServerMetricsTest, CertificateExpiryIsOneSeriesOnceItIsSet) {
  const size_t before = Collect().samples.size();
  metrics_.SetTlsCertExpiry(absl::FromUnixSeconds(2000000000));
  metrics_.SetTlsCertExpiry(absl::FromUnixSeconds(2100000000));
  EXPECT_EQ(Collect().samples.size(), before + 1);
  EXPECT_EQ(Collect().Sum("cooper_tls_cert_expiry_timestamp_seconds"),
            2100000000);
}

TEST_F(ServerMetricsTest, StreamBufferFollowsItsDeltas) {
  metrics_.AddStreamBuffer(100);
  metrics_.AddStreamBuffer(-40);
  EXPECT_EQ(Collect().Sum("cooper_stream_buffer_bytes"), 60);
}

}  // namespace
}  // namespace cooper::metrics
