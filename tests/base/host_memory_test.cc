#include "base/host_memory.h"

#include <gtest/gtest.h>

#include "tests/base/fake_groups.h"
#include "tests/model/checkpoint/temp_directory.h"

namespace cooper::base {
namespace {

using ::cooper::testing::FakeGroups;
using ::cooper::testing::TempDirectory;

class HostMemoryTest : public ::testing::Test {
 protected:
  HostMemoryTest() {
    proc_.Write("meminfo",
                "MemTotal:       1000 kB\nMemFree:          10 kB\n"
                "MemAvailable:    600 kB\nHugePages_Total:     0\n"
                "Hugetlb:           0 kB\n");
  }
  HostMemory Read() const {
    return ReadHostMemory(groups_.paths(), proc_.File("meminfo"));
  }

  const TempDirectory proc_;
  const FakeGroups groups_{"0::/\n"};
};

TEST_F(HostMemoryTest, WithoutALimitTheMachineCounts) {
  EXPECT_EQ(Read().total_bytes, 1000 << 10);
  EXPECT_EQ(Read().free_bytes, 600 << 10);
}

TEST_F(HostMemoryTest, WhatTheGroupReadFromFilesIsFree) {
  groups_.Write("memory.max", "409600\n");  // 400 KiB
  groups_.Write("memory.current", "409600\n");
  groups_.Write("memory.stat", "inactive_file 204800\nactive_file 102400\n");
  EXPECT_EQ(Read().total_bytes, 400 << 10);
  EXPECT_EQ(Read().free_bytes, 300 << 10);
}

TEST_F(HostMemoryTest, TheGroupCannotHaveMoreThanTheMachine) {
  groups_.Write("memory.max", "972800\n");  // 950 KiB
  EXPECT_EQ(Read().total_bytes, 950 << 10);
  EXPECT_EQ(Read().free_bytes, 600 << 10);
  groups_.Write("memory.max", "10240000\n");
  EXPECT_EQ(Read().total_bytes, 1000 << 10);
}

TEST_F(HostMemoryTest, WhatCannotBeReadIsZero) {
  const HostMemory memory =
      ReadHostMemory(groups_.paths(), proc_.File("absent"));
  EXPECT_EQ(memory.total_bytes, 0);
  EXPECT_EQ(memory.free_bytes, 0);
}

}  // namespace
}  // namespace cooper::base
