#include "base/control_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <optional>

#include "tests/base/fake_groups.h"

namespace cooper::base {
namespace {

using ::cooper::testing::FakeGroups;
using ::testing::Optional;

TEST(ControlGroupTest, WithoutGroupsThereIsNoLimit) {
  const ControlGroupPaths nowhere = {"/no/such/tree", "/no/such/file"};
  EXPECT_EQ(ReadGroupMemory(nowhere), std::nullopt);
  EXPECT_EQ(MemoryLimit(nowhere), std::nullopt);
  EXPECT_EQ(CpuLimit(nowhere), std::nullopt);
  EXPECT_GE(UsableCpus(nowhere), 1);
}

TEST(ControlGroupTest, PageCacheIsNotUsedMemory) {
  // A container's limit of 2 GiB, filled by reading the weights.
  const FakeGroups v2("0::/\n");
  v2.Write("memory.max", "2147483648\n");
  v2.Write("memory.current", "2147000000\n");
  v2.Write("memory.stat",
           "anon 100000000\nfile 2000000000\nshmem 0\n"
           "inactive_file 1900000000\nactive_file 47000000\n");
  EXPECT_THAT(ReadGroupMemory(v2.paths()),
              Optional(GroupMemory{2147483648, 200000000}));

  const FakeGroups v1("4:memory:/\n");
  v1.Write("memory/memory.limit_in_bytes", "2147483648\n");
  v1.Write("memory/memory.usage_in_bytes", "2147000000\n");
  v1.Write("memory/memory.stat",
           "cache 1\ninactive_file 5\nactive_file 6\n"
           "total_inactive_file 1900000000\ntotal_active_file 47000000\n");
  EXPECT_THAT(ReadGroupMemory(v1.paths()),
              Optional(GroupMemory{2147483648, 200000000}));
}

TEST(ControlGroupTest, UsageMayBeMissingOrBehindTheStatistics) {
  const FakeGroups groups("0::/\n");
  groups.Write("memory.max", "1000\n");
  EXPECT_THAT(ReadGroupMemory(groups.paths()), Optional(GroupMemory{1000, 0}));
  groups.Write("memory.current", "500\n");
  groups.Write("memory.stat", "inactive_file 600\n");
  EXPECT_THAT(ReadGroupMemory(groups.paths()), Optional(GroupMemory{1000, 0}));
}

TEST(ControlGroupTest, TheWordForNoLimitIsNone) {
  const FakeGroups v2("0::/\n");
  v2.Write("memory.max", "max\n");
  v2.Write("cpu.max", "max 100000\n");
  EXPECT_EQ(ReadGroupMemory(v2.paths()), std::nullopt);
  EXPECT_EQ(CpuLimit(v2.paths()), std::nullopt);

  const FakeGroups v1("4:memory:/\n1:cpu:/\n");
  v1.Write("memory/memory.limit_in_bytes", "9223372036854771712\n");
  v1.Write("cpu/cpu.cfs_quota_us", "-1\n");
  v1.Write("cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(ReadGroupMemory(v1.paths()), std::nullopt);
  EXPECT_EQ(CpuLimit(v1.paths()), std::nullopt);
}

TEST(ControlGroupTest, TheLowestLimitOfNestedGroupsCounts) {
  const FakeGroups v2("0::/pods/pod1/server\n");
  v2.Write("pods/memory.max", "9000\n");
  v2.Write("pods/pod1/memory.max", "4000\n");
  v2.Write("pods/pod1/memory.current", "3000\n");
  v2.Write("pods/pod1/server/memory.max", "max\n");
  v2.Write("pods/pod1/server/memory.current", "2000\n");
  v2.Write("pods/pod2/memory.max", "1000\n");  // another's
  v2.Write("pods/cpu.max", "200000 100000\n");
  v2.Write("pods/pod1/server/cpu.max", "250000 100000\n");
  EXPECT_THAT(ReadGroupMemory(v2.paths()), Optional(GroupMemory{4000, 3000}));
  EXPECT_THAT(MemoryLimit(v2.paths()), Optional(4000));
  EXPECT_THAT(CpuLimit(v2.paths()), Optional(2.0));

  const FakeGroups v1(
      "9:name=systemd:/\n4:memory:/pods/pod1\n3:cpu,cpuacct:/pods/pod1\n"
      "0::/\n");
  v1.Write("memory/memory.limit_in_bytes", "9223372036854771712\n");
  v1.Write("memory/pods/memory.limit_in_bytes", "9000\n");
  v1.Write("memory/pods/pod1/memory.limit_in_bytes", "4000\n");
  v1.Write("memory/pods/pod1/memory.usage_in_bytes", "3000\n");
  v1.Write("cpu/pods/pod1/cpu.cfs_quota_us", "150000\n");
  v1.Write("cpu/pods/pod1/cpu.cfs_period_us", "100000\n");
  EXPECT_THAT(ReadGroupMemory(v1.paths()), Optional(GroupMemory{4000, 3000}));
  EXPECT_THAT(CpuLimit(v1.paths()), Optional(1.5));
}

TEST(ControlGroupTest, AContainerSeesItsOwnGroupAtTheRoot) {
  // Without a namespace of control groups the path is the host's.
  const FakeGroups v1("4:memory:/docker/0123\n1:cpu:/docker/0123\n");
  v1.Write("memory/memory.limit_in_bytes", "4000\n");
  v1.Write("cpu/cpu.cfs_quota_us", "50000\n");
  v1.Write("cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_THAT(MemoryLimit(v1.paths()), Optional(4000));
  EXPECT_THAT(CpuLimit(v1.paths()), Optional(0.5));

  const FakeGroups v2("0::/../../other\n");
  v2.Write("memory.max", "4000\n");
  EXPECT_THAT(MemoryLimit(v2.paths()), Optional(4000));
}

TEST(ControlGroupTest, UsableCpusAreTheQuotaRoundedUp) {
  cpu_set_t affinity;
  ASSERT_EQ(sched_getaffinity(0, sizeof(affinity), &affinity), 0);
  const int all = CPU_COUNT(&affinity);
  const FakeGroups groups("0::/\n");
  EXPECT_EQ(UsableCpus(groups.paths()), all);
  const auto usable = [&](const char* quota) {
    groups.Write("cpu.max", quota);
    return UsableCpus(groups.paths());
  };
  EXPECT_EQ(usable("1000 100000\n"), 1);
  EXPECT_EQ(usable("100000 100000\n"), 1);
  EXPECT_EQ(usable("100001 100000\n"), std::min(2, all));
  EXPECT_EQ(usable("9223372036854775807 1\n"), all);
  EXPECT_EQ(usable("nonsense\n"), all);
  EXPECT_EQ(usable("100000 0\n"), all);

  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(usable("400000 100000\n"), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof(affinity), &affinity), 0);
}

}  // namespace
}  // namespace cooper::base
