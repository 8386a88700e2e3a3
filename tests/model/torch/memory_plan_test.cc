#include "model/torch/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::HasSubstr;

constexpr int64_t kMib = int64_t{1} << 20;

// 4 KiB a token.
MemoryPlan PlanOfHost() {
  MemoryPlan plan;
  plan.page = KvPool::kPageTokens * (4 << 10);
  return plan;
}

DeviceMemory Free(int64_t bytes) { return {bytes, 2 * bytes}; }

TEST(MemoryPlanTest, AHostsPoolIsTheUsualOneOrHalfOfWhatIsFree) {
  const MemoryPlan plan = PlanOfHost();
  EXPECT_EQ(plan.UsualHostPool(), 256 * kMib);  // 65536 tokens
  ASSERT_OK_AND_ASSIGN(const int64_t usual, plan.HostPool(Free(4096 * kMib)));
  EXPECT_EQ(usual, 256 * kMib);
  ASSERT_OK_AND_ASSIGN(const int64_t small, plan.HostPool(Free(100 * kMib)));
  EXPECT_EQ(small, 50 * kMib);
  EXPECT_EQ(plan.HostPoolWarning(usual, Free(4096 * kMib)), "");
  EXPECT_THAT(std::string(plan.HostPoolWarning(small, Free(100 * kMib))),
              HasSubstr("small"));
}

TEST(MemoryPlanTest, AHostsPoolMayBeAskedFor) {
  MemoryPlan plan = PlanOfHost();
  plan.asked_pool = 90 * kMib;
  ASSERT_OK_AND_ASSIGN(const int64_t bytes, plan.HostPool(Free(100 * kMib)));
  EXPECT_EQ(bytes, 90 * kMib);
  EXPECT_THAT(std::string(plan.HostPoolWarning(bytes, Free(100 * kMib))),
              HasSubstr("leaves less than a tenth"));
  EXPECT_EQ(plan.HostPoolWarning(bytes, Free(120 * kMib)), "");
  EXPECT_THAT(plan.HostPool(Free(80 * kMib)),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("90 MiB of 80 MiB free")));
}

TEST(MemoryPlanTest, AHostsPoolThatIsOfNoUseIsAnError) {
  const MemoryPlan plan = PlanOfHost();
  EXPECT_THAT(plan.HostPool(Free(16 * plan.page)),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("--kv_cache_mib")));
}

}  // namespace
}  // namespace cooper::torch_model
