// docs/metrics.md against a real scrape, and the scrape against promtool.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "server/metrics/log_collector.h"
#include "server/metrics/metrics_listener.h"
#include "server/metrics/process_collector.h"
#include "server/metrics/server_metrics.h"
#include "tests/server/metrics/scrape.h"
#include "tests/testing/status_matchers.h"

namespace cooper::metrics {
namespace {

using cooper::testing::HttpGetMetrics;
using cooper::testing::Scrape;
using engine::Method;
using engine::Phase;
using engine::RequestKind;

// Name -> "type: label, label".
using Table = std::map<std::string, std::string>;

Table ReadDoc() {
  std::ifstream file(COOPER_SOURCE_DIR "/docs/metrics.md");
  Table table;
  std::string line;
  while (std::getline(file, line)) {
    if (line == "## Recordings") break;  // not the server's
    if (line.rfind("| `", 0) != 0) continue;
    std::vector<std::string> cells = absl::StrSplit(line, '|');
    for (std::string& cell : cells) absl::StripAsciiWhitespace(&cell);
    EXPECT_EQ(cells.size(), 7u) << line;
    EXPECT_FALSE(cells[4].empty() || cells[5].empty()) << line;
    std::vector<std::string> labels =
        absl::StrSplit(cells[3], ", ", absl::SkipEmpty());
    std::sort(labels.begin(), labels.end());
    table[absl::StrReplaceAll(cells[1], {{"`", ""}})] =
        absl::StrCat(cells[2], ": ", absl::StrJoin(labels, ", "));
  }
  return table;
}

Table TableOf(const Scrape& scrape) {
  Table table;
  for (const auto& [name, family] : scrape.families) {
    table[name] =
        absl::StrCat(family.type, ": ", absl::StrJoin(family.labels, ", "));
  }
  return table;
}

// One scrape for all tests.
class MetricsDocTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    registry = std::make_shared<prometheus::Registry>();
    metrics = std::make_unique<ServerMetrics>(registry.get());
    metrics->SetBuildInfo("1.2.3");
    metrics->SetModelInfo("fake", "cpu", "float32");
    metrics->SetGpuMemory(1, 2, 3);
    metrics->SetTlsCertExpiry(absl::FromUnixSeconds(2000000000));
    // Series with labels appear with their first event.
    metrics->RpcStarted(Method::kReason);
    metrics->RpcFinished(Method::kReason, 0, absl::Seconds(1));
    metrics->Rejected(Method::kReason, "queue_full");
    metrics->Cancelled(Method::kReason, "client", Phase::kDecode);
    metrics->ImageRejected("format");
    metrics->ConnectionRefused("total");
    metrics->Queued(RequestKind::kReason, absl::Seconds(1));
    metrics->Finished(engine::FinishReason::kAnswered);
    metrics->BatchRun(engine::BatchKind::kDecode, 1, absl::Seconds(1));
    metrics->PhaseRun(Phase::kDecode, absl::Seconds(1));
    metrics->MapDrawn(RequestKind::kDepth, absl::Seconds(1));
    metrics->ModelLoaded(LoadStage::kLoad, absl::Seconds(1));
    ASSERT_OK_AND_ASSIGN(
        listener,
        MetricsListener::Start({"127.0.0.1", 0},
                               {registry, std::make_shared<LogCollector>(),
                                std::make_shared<ProcessCollector>()}));
    scrape = Scrape::Parse(HttpGetMetrics(listener->address().port));
  }
  static void TearDownTestSuite() {
    listener.reset();
    metrics.reset();
    registry.reset();
  }

  static inline std::shared_ptr<prometheus::Registry> registry;
  static inline std::unique_ptr<ServerMetrics> metrics;
  static inline std::unique_ptr<MetricsListener> listener;
  static inline Scrape scrape;
};

TEST_F(MetricsDocTest, DocumentAndScrapeNameTheSameMetricsTypesAndLabels) {
  EXPECT_EQ(ReadDoc(), TableOf(scrape));
}

TEST_F(MetricsDocTest, PromtoolFindsNothingToSay) {
  const std::string path =
      ::testing::TempDir() + "/scrape-" + std::to_string(getpid());
  std::ofstream(path) << scrape.text;
  FILE* promtool =
      popen(("promtool check metrics < " + path + " 2>&1").c_str(), "r");
  ASSERT_NE(promtool, nullptr);
  std::string said;
  char buffer[4096];
  while (fgets(buffer, sizeof(buffer), promtool) != nullptr) said += buffer;
  const int status = pclose(promtool);
  constexpr int kNoSuchCommand = 127;
  if (WEXITSTATUS(status) == kNoSuchCommand) {
    GTEST_SKIP() << "promtool is not installed";
  }
  EXPECT_EQ(status, 0) << said;
  EXPECT_EQ(said, "");
}

}  // namespace
}  // namespace cooper::metrics
