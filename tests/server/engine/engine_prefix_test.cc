// What requests that begin alike share.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/engine/engine.h"
#include "tests/server/engine/engine_harness.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using absl::StatusCode;
using Call = fake::FakeFault::Call;
using ::testing::Gt;

EngineOptions WithCache(int64_t bytes = int64_t{64} << 20) {
  EngineOptions options;
  options.prefix_cache_bytes = bytes;
  return options;
}

Request TextQuestion(const std::string& text, uint64_t seed = 7) {
  Request request = Question(text);
  request.task = ReasonTask{Mode::kTextOnly, 3};
  request.seed = seed;
  return request;
}

Usage UsageOf(const Recorded& recorded) {
  const auto finished = recorded.All<FinishedEvent>();
  return finished.empty() ? Usage{} : finished[0].usage;
}

std::vector<std::string> MapsOf(const Recorded& recorded) {
  std::vector<std::string> maps;
  for (const MapEvent& map : recorded.All<MapEvent>()) {
    maps.push_back(*map.data);
  }
  return maps;
}

class EnginePrefixTest : public ::testing::Test {
 protected:
  // Runs it alone; its usage.
  Usage Run(const Request& request) {
    const auto recorded = harness_.Submit(request);
    EXPECT_OK(recorded->WaitDone());
    maps_ = MapsOf(*recorded);
    return UsageOf(*recorded);
  }

  EngineHarness harness_{SmallScript(), WithCache()};
  std::vector<std::string> maps_;
};

TEST_F(EnginePrefixTest, ClientsShareWhereTheyMay) {
  EngineOptions options = WithCache();
  for (const bool by_client : {false, true}) {
    options.prefixes_by_client = by_client;
    EngineHarness harness(SmallScript(), options);
    const auto cached = [&](const std::string& client) {
      Request request = TextQuestion("q");
      request.client = client;
      const auto recorded = harness.Submit(request);
      EXPECT_OK(recorded->WaitDone());
      return UsageOf(*recorded).cached_tokens > 0;
    };
    EXPECT_FALSE(cached("a"));
    EXPECT_TRUE(cached("a"));
    EXPECT_EQ(cached("b"), !by_client);
    EXPECT_TRUE(cached("b"));
    // Who has no name shares with those who have none.
    EXPECT_EQ(cached(""), !by_client);
    EXPECT_TRUE(cached(""));
  }
}

TEST_F(EnginePrefixTest, ARepeatedQuestionIsNotEncodedAgain) {
  const Usage first = Run(TextQuestion("q"));
  EXPECT_EQ(first.cached_tokens, 0);
  const int64_t encoded = harness_.model().prefilled_tokens();
  const Usage second = Run(TextQuestion("q"));
  EXPECT_EQ(second.cached_tokens, second.input_tokens);
  EXPECT_EQ(second.input_tokens, first.input_tokens);
  EXPECT_EQ(second.output_tokens, first.output_tokens);
  EXPECT_EQ(harness_.model().prefilled_tokens(), encoded);
}

TEST_F(EnginePrefixTest, AnotherQuestionSharesAllBeforeItself) {
  const Usage first = Run(TextQuestion("one"));
  const Usage second = Run(TextQuestion("other"));
  // bos, eos and the words are its own.
  EXPECT_EQ(second.cached_tokens, second.input_tokens - 7);
  EXPECT_EQ(second.cached_tokens, first.input_tokens - 5);
}

TEST_F(EnginePrefixTest, WithoutDrawsTheSeedDoesNotMatter) {
  Run(TextQuestion("q", 1));
  const Usage second = Run(TextQuestion("q", 2));
  EXPECT_EQ(second.cached_tokens, second.input_tokens);
}

TEST_F(EnginePrefixTest, ImagesAreSharedWhateverTheSeeds) {
  // 96 x 80 px by 16, with soi and eoi, and by 14.
  constexpr int64_t kImageTokens = 6 * 5 + 2 + 6 * 5 + 2;
  Request request = Question("a depth question");
  const Usage first = Run(request);
  const auto maps = maps_;
  request.seed = 8;
  const Usage other_seed = Run(request);
  EXPECT_NE(maps_, maps) << "what is drawn is the seed's";
  request.seed = 7;
  const Usage same_seed = Run(request);
  EXPECT_EQ(maps_, maps);
  EXPECT_EQ(other_seed.input_tokens, first.input_tokens);
  EXPECT_EQ(other_seed.cached_tokens, same_seed.cached_tokens);
  // Of another image only the text before it.
  std::get<ImageInput>(request.inputs[0]).bytes = TestPng(96, 80, 1);
  const Usage other_image = Run(request);
  EXPECT_NE(maps_, maps);
  EXPECT_EQ(other_image.input_tokens, first.input_tokens);
  EXPECT_LE(other_image.cached_tokens + kImageTokens, same_seed.cached_tokens);
}

TEST_F(EnginePrefixTest, ResultsDoNotDependOnTheCache) {
  EngineHarness without(SmallScript(), WithCache(0));
  const auto expected = without.Submit(Question("a both question"));
  ASSERT_OK(expected->WaitDone());
  Request request = Question("a both question");
  for (int i = 0; i < 3; ++i) {
    // The third time after another question about the same image.
    if (i == 2) Run(Question("a depth question"));
    Run(request);
    EXPECT_EQ(maps_, MapsOf(*expected)) << i;
  }
  EXPECT_EQ(UsageOf(*expected).cached_tokens, 0);
}

TEST_F(EnginePrefixTest, TwoImagesOfOneRequestAreToldApart) {
  Request request = Question("a depth question");
  request.inputs.insert(request.inputs.begin(),
                        ImageInput{TestPng(64, 80, 3), "inputs[0].image"});
  EngineHarness without(SmallScript(), WithCache(0));
  const auto expected = without.Submit(request);
  ASSERT_OK(expected->WaitDone());
  for (int i = 0; i < 2; ++i) {
    Run(request);
    EXPECT_EQ(maps_, MapsOf(*expected)) << i;
  }
}

// Also where their seeds differ.
TEST_F(EnginePrefixTest, RequestsThatComeTogetherEncodeOnce) {
  const auto question = [](int seed) {
    Request request = Question("a depth question");
    request.seed = seed;
    return request;
  };
  EngineHarness alone(SmallScript(), WithCache(0));
  std::vector<std::vector<std::string>> expected;
  int64_t prompt = 0;
  for (int seed = 0; seed < 3; ++seed) {
    const auto recorded = alone.Submit(question(seed));
    ASSERT_OK(recorded->WaitDone());
    expected.push_back(MapsOf(*recorded));
    if (seed == 0) prompt = alone.model().prefilled_tokens();
  }
  EXPECT_NE(expected[0], expected[1]);

  harness_.HoldModel();
  const auto hold = harness_.Submit(TextQuestion("hold"));
  harness_.AwaitHeld();
  std::vector<std::shared_ptr<Recorded>> all;
  all.reserve(3);
  for (int seed = 0; seed < 3; ++seed) {
    all.push_back(harness_.Submit(question(seed)));
  }
  harness_.AwaitLoad(0, 4, 4);
  harness_.ReleaseModel();
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(all[i]->WaitDone());
    EXPECT_EQ(MapsOf(*all[i]), expected[i]) << i;
  }
  ASSERT_OK(hold->WaitDone());
  // What follows a map is everybody's own.
  const int64_t own =
      UsageOf(*all[1]).input_tokens - UsageOf(*all[1]).cached_tokens;
  EXPECT_GT(own, 0);
  EXPECT_LT(harness_.model().prefilled_tokens(), 2 * prompt + 3 * own);
}

TEST(EnginePrefixEndTest, TheOthersGoOnWhereTheFirstIsCancelled) {
  fake::FakeScript script = SmallScript();
  script.delays.append = absl::Milliseconds(300);  // several slices
  EngineHarness harness(script, WithCache());
  harness.HoldModelAt(Call::kPrefill);
  const Request request = Question("a depth question");
  const auto first = harness.Submit(request);
  harness.AwaitHeld();
  const auto second = harness.Submit(Question("a depth question"));
  harness.AwaitLoad(0, 2, 2);
  request.cancel->Cancel(CancelCause::kClient);
  harness.ReleaseModel();
  EXPECT_THAT(first->WaitDone(),
              testing::StatusIs(StatusCode::kCancelled, ::testing::_));
  ASSERT_OK(second->WaitDone());
  EXPECT_EQ(second->All<MapEvent>().size(), 2U);
  harness.ExpectNothingLeft();
}

TEST_F(EnginePrefixTest, AFailedEncodingIsNobodysPrefix) {
  fake::FakeScript script = SmallScript();
  script.faults = {{Call::kPrefill, fake::FakeFault::Effect::kItem, 1, "bad",
                    StatusCode::kInternal}};
  EngineHarness harness(script, WithCache());
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(harness.Submit(TextQuestion("bad"))->WaitDone(),
                testing::StatusIs(StatusCode::kInternal, ::testing::_));
  }
  EXPECT_OK(harness.Submit(TextQuestion("good"))->WaitDone());
}

TEST_F(EnginePrefixTest, CountsWhatItHoldsApart) {
  Run(TextQuestion("q"));
  Run(TextQuestion("q"));
  harness_.ExpectNothingLeft();
  EXPECT_EQ(harness_.Metric("cooper_kv_cache_bytes"), 0);
  EXPECT_EQ(harness_.Metric("cooper_prefix_cache_bytes"),
            harness_.model().kv_usage().used_bytes);
  EXPECT_THAT(harness_.Metric("cooper_prefix_cache_bytes"), Gt(0));
  EXPECT_EQ(harness_.Metric("cooper_prefix_cache_queries_total"),
            2 * harness_.Metric("cooper_prefix_cache_hits_total"));
}

TEST(EnginePrefixMemoryTest, EntriesGoBeforeARequestWaits) {
  fake::FakeScript script = SmallScript();
  Request request = TextQuestion("a question");
  {
    EngineHarness probe(script, WithCache());
    const auto recorded = probe.Submit(request);
    ASSERT_OK(recorded->WaitDone());
    // Room for one request and one kept prompt, and a little.
    script.kv_capacity_tokens =
        2 * UsageOf(*recorded).input_tokens + request.max_think_tokens + 20;
  }
  EngineHarness harness(script, WithCache());
  for (int i = 0; i < 4; ++i) {
    Request other = request;
    other.inputs[0] = ImageInput{TestPng(96, 80, i), "inputs[0].image"};
    ASSERT_OK(harness.Submit(std::move(other))->WaitDone());
    // A longer one, which needs what the cache has.
    request.max_think_tokens += i == 1 ? 200 : 0;
  }
  EXPECT_THAT(harness.Metric("cooper_prefix_cache_evictions_total"), Gt(0));
}

TEST(EnginePrefixMemoryTest, HoldsNoMoreThanItsLimit) {
  constexpr int64_t kLimit = int64_t{600} * 1024;
  EngineHarness harness(SmallScript(), WithCache(kLimit));
  for (int i = 0; i < 40; ++i) {
    Request request = TextQuestion("q");
    request.inputs[0] = ImageInput{TestPng(96, 80, i), "inputs[0].image"};
    ASSERT_OK(harness.Submit(std::move(request))->WaitDone());
    EXPECT_LE(harness.Metric("cooper_prefix_cache_bytes"), kLimit);
  }
  EXPECT_THAT(harness.Metric("cooper_prefix_cache_evictions_total"), Gt(0));
}

}  // namespace
}  // namespace cooper::engine
