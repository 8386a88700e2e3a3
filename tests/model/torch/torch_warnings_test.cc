#include "model/torch/torch_warnings.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/logging.h"

namespace cooper::torch_model {
namespace {

TEST(TorchWarnings, AreLinesOfTheLog) {
  LogTorchWarnings();
  base::SetLogFormat(base::LogFormat::kJson);
  ::testing::internal::CaptureStderr();
  TORCH_WARN("two\nlines");
  base::SetLogFormat(base::LogFormat::kText);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::EndsWith(R"("level":"warning","msg":"libtorch",)"
                                  R"("text":"two\\x0alines"})"
                                  "\n"));
}

}  // namespace
}  // namespace cooper::torch_model
