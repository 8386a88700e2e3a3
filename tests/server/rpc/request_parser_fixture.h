#ifndef COOPER_TESTS_SERVER_RPC_REQUEST_PARSER_FIXTURE_H_
#define COOPER_TESTS_SERVER_RPC_REQUEST_PARSER_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <string>

#include "cooper/v1/spatial_reasoning.pb.h"
#include "model/image/codec.h"
#include "server/engine/core/error.h"
#include "server/metrics/server_metrics.h"
#include "server/rpc/limits.h"
#include "server/rpc/request_parser.h"
#include "tests/server/metrics/scrape.h"
#include "tests/testing/status_matchers.h"

namespace cooper::rpc {

// A parser with small limits, for a model with the defaults.
class RequestParserTest : public ::testing::Test {
 protected:
  static std::string Png(int width, int height) {
    image::RgbImage picture;
    picture.size = {width, height};
    picture.pixels.resize(static_cast<size_t>(width) * height * 3, 100);
    return image::EncodePng(picture).value();
  }

  static v1::ReasonRequest Question() {
    v1::ReasonRequest request;
    request.add_inputs()->set_image(Png(8, 8));
    request.add_inputs()->set_text("How far?");
    return request;
  }

  // The error's code, reason, field and message.
  template <typename Wire>
  void ExpectRefused(
      const Wire& wire, const std::string& field, const std::string& message,
      engine::ErrorReason reason = engine::ErrorReason::kInvalidArgument) {
    const auto parsed = parser_.Parse(wire);
    ASSERT_FALSE(parsed.ok()) << field;
    EXPECT_THAT(parsed, cooper::testing::StatusIs(
                            absl::StatusCode::kInvalidArgument,
                            ::testing::AllOf(::testing::HasSubstr(field),
                                             ::testing::HasSubstr(message))));
    const engine::ErrorDetails details = engine::DetailsOf(parsed.status());
    EXPECT_EQ(details.field, field);
    EXPECT_EQ(details.reason, reason) << field;
  }

  double ImagesRefused(const std::string& reason) {
    return cooper::testing::Scrape::Parse(
               prometheus::TextSerializer().Serialize(registry_.Collect()))
        .Sum("cooper_image_rejections_total", {{"reason", reason}});
  }

  static model::ModelInfo Info() {
    model::ModelInfo info;
    info.name = "fake";
    return info;
  }

  static RpcLimits Limits() {
    RpcLimits limits;
    limits.max_images = 3;
    limits.max_text_bytes = 1000;
    limits.max_think_tokens = 5000;
    return limits;
  }

  prometheus::Registry registry_;
  metrics::ServerMetrics metrics_{&registry_};
  model::ModelInfo info_ = Info();
  RpcLimits limits_ = Limits();
  image::DecodeLimits image_limits_{.max_pixels = int64_t{64} * 64};
  RequestParser parser_{&info_, &limits_, &image_limits_, &metrics_};
};

}  // namespace cooper::rpc

#endif  // COOPER_TESTS_SERVER_RPC_REQUEST_PARSER_FIXTURE_H_
