#include "client/bench/run_options.h"

#include <limits>

#include "tests/testing/status_matchers.h"

namespace cooper::client::bench {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::HasSubstr;

TEST(RunOptionsTest, DefaultsAreValidAndEndAfterTenSeconds) {
  RunOptions options;
  EXPECT_OK(options.Validate());
  EXPECT_EQ(options.LoadEnd(), absl::Seconds(10));
  options.warmup = absl::Seconds(2);
  EXPECT_EQ(options.LoadEnd(), absl::Seconds(12));
  options.requests = 5;
  EXPECT_EQ(options.LoadEnd(), absl::InfiniteDuration());
  options.duration = absl::Seconds(1);
  EXPECT_EQ(options.LoadEnd(), absl::Seconds(3));
}

TEST(RunOptionsTest, EachBadFieldIsNamed) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto expect = [](const char* field, void (*change)(RunOptions*)) {
    RunOptions options;
    change(&options);
    EXPECT_THAT(options.Validate(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(field)));
  };
  expect("concurrency", [](RunOptions* o) { o->concurrency = 0; });
  expect("concurrency", [](RunOptions* o) { o->concurrency = 1025; });
  expect("max_outstanding", [](RunOptions* o) { o->max_outstanding = 0; });
  expect("rate", [](RunOptions* o) { o->rate = 0; });
  expect("rate", [](RunOptions* o) { o->rate = 1e9; });
  expect("duration", [](RunOptions* o) { o->duration = absl::ZeroDuration(); });
  expect("duration",
         [](RunOptions* o) { o->duration = absl::InfiniteDuration(); });
  expect("warmup", [](RunOptions* o) { o->warmup = -absl::Seconds(1); });
  expect("requests", [](RunOptions* o) { o->requests = 0; });
  expect("cancel_share", [](RunOptions* o) { o->cancel_share = 1.5; });
  expect("cancel_within",
         [](RunOptions* o) { o->cancel_within = absl::ZeroDuration(); });
  RunOptions options;
  options.rate = nan;
  EXPECT_FALSE(options.Validate().ok());
  options.rate.reset();
  options.cancel_share = nan;
  EXPECT_FALSE(options.Validate().ok());
}

}  // namespace
}  // namespace cooper::client::bench
