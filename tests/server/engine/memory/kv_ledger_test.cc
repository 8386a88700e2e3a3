#include "server/engine/memory/kv_ledger.h"

#include <gtest/gtest.h>

namespace cooper::engine {
namespace {

using Holder = KvLedger::Holder;

TEST(KvLedgerTest, WhatIsInUseIsSplitByWhatEachMayHold) {
  KvLedger ledger(1000, 64);
  ASSERT_TRUE(ledger.Reserve(Holder::kRequests, 300));
  ASSERT_TRUE(ledger.Reserve(Holder::kPrefixCache, 100));
  const KvLedger::Split split = ledger.SplitUsed(2000, 10);
  EXPECT_EQ(split.requests, 1500);
  EXPECT_EQ(split.prefix_cache, 500);
  EXPECT_EQ(split.sessions, 0);
}

TEST(KvLedgerTest, AtRestNothingIsOfRequests) {
  KvLedger ledger(1000, 64);
  ASSERT_TRUE(ledger.Reserve(Holder::kPrefixCache, 70));
  ASSERT_TRUE(ledger.Reserve(Holder::kSessions, 30));
  const KvLedger::Split split = ledger.SplitUsed(777, 10);
  EXPECT_EQ(split.requests, 0);
  EXPECT_EQ(split.prefix_cache, 543);
  EXPECT_EQ(split.sessions, 233);
}

TEST(KvLedgerTest, WhatNobodyMayHoldIsALeakOfRequests) {
  KvLedger ledger(1000, 64);
  EXPECT_EQ(ledger.SplitUsed(50, 10).requests, 50);
  ASSERT_TRUE(ledger.Reserve(Holder::kPrefixCache, 70));
  EXPECT_EQ(ledger.SplitUsed(900, 10).requests, 200);
  EXPECT_EQ(ledger.SplitUsed(900, 10).prefix_cache, 700);
}

}  // namespace
}  // namespace cooper::engine
