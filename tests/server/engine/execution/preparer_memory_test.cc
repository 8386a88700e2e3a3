// The memory of many large images that are prepared at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "model/fake/fake_model.h"
#include "server/engine/execution/preparer.h"
#include "tests/model/image/jpeg_fixtures.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/server/metrics/scrape.h"
#include "tests/testing/fake_clock.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

// A sanitizer's own memory would hide that of the images, and makes them slow.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COOPER_SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COOPER_SANITIZED
#endif
#ifdef COOPER_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

constexpr int64_t kMib = int64_t{1} << 20;
constexpr int kSide = kSanitized ? 2048 : 8192;  // px
// Raster and coefficients: of 8192 x 8192 px 192 and 384 MiB.
constexpr int64_t kImageBytes = int64_t{9} * kSide * kSide;
// Not of two.
constexpr int64_t kBudget = kImageBytes + kImageBytes / 20;
// What else the test and the heap take meanwhile.
constexpr int64_t kSlack = 40 * kMib;

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    int64_t kib = 0;
    if (word == "VmRSS:" && file >> kib) return kib << 10;
  }
  return 0;
}

TEST(PreparerMemoryTest, LargeProgressiveJpegsWaitForTheirTurn) {
  std::string jpeg;
  {
    image::JpegSpec spec;
    spec.size = {kSide, kSide};
    spec.progressive = true;
    spec.pixels.assign(size_t{3} * kSide * kSide, 90);
    jpeg = image::BuildJpeg(spec);
  }
  prometheus::Registry registry;
  metrics::ServerMetrics metrics(&registry);
  const testing::FakeClock clock;
  const fake::FakeModel model(SmallScript());
  const Preparer preparer(&model, &metrics, &clock, {}, kBudget);

  const int64_t before = ResidentBytes();
  int64_t most_resident = 0;
  double most_counted = 0;
  absl::Notification done;
  std::thread watcher([&] {
    while (!done.WaitForNotificationWithTimeout(absl::Milliseconds(2))) {
      most_resident = std::max(most_resident, ResidentBytes());
      const auto scrape = testing::Scrape::Parse(
          prometheus::TextSerializer().Serialize(registry.Collect()));
      most_counted = std::max(most_counted,
                              scrape.Sum("cooper_image_decode_bytes_in_use"));
    }
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      Request request = Question("q");
      request.inputs = {ImageInput{jpeg, "inputs[0].image"}};
      EXPECT_OK(preparer.Prepare(&request));
    });
  }
  for (std::thread& thread : threads) thread.join();
  done.Notify();
  watcher.join();
  EXPECT_GE(most_counted, kImageBytes);
  EXPECT_LE(most_counted, kBudget);
  if (!kSanitized) {
    EXPECT_LE(most_resident - before, kBudget + kSlack);
  }
}

}  // namespace
}  // namespace cooper::engine
