#include "server/engine/core/error.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using absl::StatusCode;

TEST(ErrorTest, EveryReasonHasItsCodeAndName) {
  const struct {
    ErrorReason reason;
    StatusCode code;
    const char* name;
  } cases[] = {
      {ErrorReason::kInvalidArgument, StatusCode::kInvalidArgument,
       "INVALID_ARGUMENT"},
      {ErrorReason::kInvalidImage, StatusCode::kInvalidArgument,
       "INVALID_IMAGE"},
      {ErrorReason::kModelNotFound, StatusCode::kNotFound, "MODEL_NOT_FOUND"},
      {ErrorReason::kSessionNotFound, StatusCode::kNotFound,
       "SESSION_NOT_FOUND"},
      {ErrorReason::kSessionBusy, StatusCode::kFailedPrecondition,
       "SESSION_BUSY"},
      {ErrorReason::kUnsupported, StatusCode::kFailedPrecondition,
       "UNSUPPORTED"},
      {ErrorReason::kTooManyPositions, StatusCode::kInvalidArgument,
       "CONTEXT_TOO_LARGE"},
      {ErrorReason::kQueueFull, StatusCode::kResourceExhausted, "QUEUE_FULL"},
      {ErrorReason::kClientLimit, StatusCode::kResourceExhausted,
       "CLIENT_LIMIT"},
      {ErrorReason::kQueueTimeout, StatusCode::kResourceExhausted,
       "QUEUE_TIMEOUT"},
      {ErrorReason::kMemoryPressure, StatusCode::kResourceExhausted,
       "MEMORY_PRESSURE"},
      {ErrorReason::kContextTooLarge, StatusCode::kResourceExhausted,
       "CONTEXT_TOO_LARGE"},
      {ErrorReason::kGpuMemory, StatusCode::kResourceExhausted, "GPU_MEMORY"},
      {ErrorReason::kLoading, StatusCode::kUnavailable, "LOADING"},
      {ErrorReason::kDraining, StatusCode::kUnavailable, "DRAINING"},
      {ErrorReason::kEngineFailed, StatusCode::kUnavailable, "ENGINE_FAILED"},
      {ErrorReason::kDeadline, StatusCode::kDeadlineExceeded, "DEADLINE"},
      {ErrorReason::kDeadlineTooShort, StatusCode::kDeadlineExceeded,
       "DEADLINE_TOO_SHORT"},
      {ErrorReason::kCancelled, StatusCode::kCancelled, "CANCELLED"},
      {ErrorReason::kSlowReader, StatusCode::kCancelled, "SLOW_READER"},
      {ErrorReason::kEngine, StatusCode::kInternal, "ENGINE"},
      {ErrorReason::kNumeric, StatusCode::kInternal, "NUMERIC"},
      {ErrorReason::kEncode, StatusCode::kInternal, "ENCODE"},
  };
  for (const auto& c : cases) {
    ErrorDetails details;
    details.reason = c.reason;
    const absl::Status status = MakeError(details, "words");
    EXPECT_THAT(status, testing::StatusIs(c.code, "words"));
    EXPECT_EQ(DetailsOf(status).reason, c.reason);
    EXPECT_STREQ(ReasonName(c.reason), c.name);
  }
}

TEST(ErrorTest, TheTableHasARowForEachReasonInItsOrder) {
  int next = 0;
  for (const ErrorRow& row : ErrorTable()) {
    EXPECT_EQ(static_cast<int>(row.reason), next++) << row.name;
    EXPECT_EQ(&RowOf(row.reason), &row);
    EXPECT_STRNE(row.label, "");
  }
  EXPECT_EQ(next, static_cast<int>(ErrorReason::kEncode) + 1);
}

// The code of each reason, as the comment at the head of the protocol says it.
std::multimap<std::string, std::string> DocumentedReasons() {
  std::ifstream proto(COOPER_SOURCE_DIR
                      "/proto/cooper/v1/spatial_reasoning.proto");
  std::multimap<std::string, std::string> reasons;
  std::string line;
  std::string code;
  while (std::getline(proto, line) && absl::StartsWith(line, "//")) {
    const std::vector<std::string> words =
        absl::StrSplit(absl::StripPrefix(line, "//"),
                       absl::ByAnyChar(" ,:;()."), absl::SkipEmpty());
    const bool names_a_code =
        absl::StartsWith(line, "//   ") && line.size() > 5 && line[5] != ' ';
    for (size_t i = 0; i < words.size(); ++i) {
      if (i == 0 && names_a_code) {
        code = words[0];
        continue;
      }
      const bool is_name =
          words[i].size() > 3 &&
          std::all_of(words[i].begin(), words[i].end(), [](unsigned char c) {
            return absl::ascii_isupper(c) || c == '_';
          });
      if (is_name && !code.empty()) reasons.emplace(words[i], code);
    }
  }
  return reasons;
}

TEST(ErrorTest, TheProtocolNamesEveryReasonBesideItsCode) {
  std::multimap<std::string, std::string> documented = DocumentedReasons();
  for (const ErrorRow& row : ErrorTable()) {
    const auto [begin, end] = documented.equal_range(row.name);
    const auto found = std::find_if(begin, end, [&](const auto& entry) {
      return entry.second == absl::StatusCodeToString(row.code);
    });
    EXPECT_NE(found, end) << row.name << " of "
                          << absl::StatusCodeToString(row.code);
  }
  std::set<std::string> names = {"UNAVAILABLE"};  // why it is not used
  for (const ErrorRow& row : ErrorTable()) names.insert(row.name);
  for (const auto& [name, code] : documented) {
    EXPECT_TRUE(names.contains(name)) << name << " of " << code;
  }
}

TEST(ErrorTest, DetailsSurviveTheStatus) {
  ErrorDetails details;
  details.reason = ErrorReason::kQueueFull;
  details.field = "inputs[0].image; odd";
  details.retry_after = absl::Milliseconds(1500);
  details.phase = Phase::kDenoise;
  const ErrorDetails back = DetailsOf(MakeError(details, "full"));
  EXPECT_EQ(back.reason, details.reason);
  EXPECT_EQ(back.field, details.field);
  EXPECT_EQ(back.retry_after, details.retry_after);
  EXPECT_EQ(back.phase, details.phase);
}

TEST(ErrorTest, InvalidFieldNamesTheField) {
  const absl::Status status = InvalidField("seed", "must not be odd");
  EXPECT_THAT(status, testing::StatusIs(StatusCode::kInvalidArgument,
                                        "seed: must not be odd"));
  EXPECT_EQ(DetailsOf(status).field, "seed");
  EXPECT_FALSE(DetailsOf(status).phase.has_value());
}

TEST(ErrorTest, AForeignStatusGetsTheReasonOfItsCode) {
  EXPECT_EQ(DetailsOf(absl::CancelledError("x")).reason,
            ErrorReason::kCancelled);
  EXPECT_EQ(DetailsOf(absl::UnknownError("x")).reason, ErrorReason::kEngine);
  EXPECT_EQ(DetailsOf(absl::ResourceExhaustedError("x")).reason,
            ErrorReason::kMemoryPressure);
}

TEST(ErrorTest, APhaseCanBeAddedToAnyError) {
  absl::Status foreign = absl::InternalError("x");
  foreign.SetPayload("other", absl::Cord("kept"));
  const absl::Status status = WithPhase(foreign, Phase::kPrefill);
  EXPECT_EQ(DetailsOf(status).phase, Phase::kPrefill);
  EXPECT_EQ(DetailsOf(status).reason, ErrorReason::kEngine);
  EXPECT_EQ(status.GetPayload("other"), absl::Cord("kept"));
  EXPECT_OK(WithPhase(absl::OkStatus(), Phase::kQueue));
}

}  // namespace
}  // namespace cooper::engine
