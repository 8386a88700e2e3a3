// What a request may not have as its images.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/engine/core/error.h"
#include "server/rpc/request_parser.h"
#include "tests/server/rpc/request_parser_fixture.h"
#include "tests/testing/status_matchers.h"

namespace cooper::rpc {
namespace {

TEST_F(RequestParserTest, NamesInsteadOfImageBytesAreRefused) {
  const std::vector<std::string> names = {
      "file:///etc/passwd", "http://169.254.169.254/latest/",
      "HTTPS://a/b.png",    "/etc/passwd",
      "../../etc/passwd",   "~/x.png",
      "s3://bucket/x",      "data:image/png;base64,AAAA"};
  for (const std::string& name : names) {
    v1::EstimateDepthRequest wire;
    wire.set_image(name);
    ExpectRefused(wire, "image", "inline bytes",
                  engine::ErrorReason::kInvalidImage);
  }
  EXPECT_EQ(ImagesRefused("format"), names.size());
}

TEST_F(RequestParserTest, BadImagesAreRefusedByTheirHeaderAndCounted) {
  v1::ReasonRequest wire = Question();
  const auto refuse = [&](const std::string& bytes, const std::string& message,
                          const std::string& reason) {
    const double before = ImagesRefused(reason);
    wire.mutable_inputs(0)->set_image(bytes);
    ExpectRefused(wire, "inputs[0].image", message,
                  engine::ErrorReason::kInvalidImage);
    EXPECT_EQ(ImagesRefused(reason), before + 1) << reason;
  };
  refuse("", "", "format");
  refuse("GIF89a ...", "GIF", "format");
  refuse(Png(8, 8).substr(0, 20), "truncated", "corrupt");
  refuse(Png(65, 64), "4096", "pixels");
}

TEST_F(RequestParserTest, CountOfImagesIsLimited) {
  v1::ReasonRequest wire = Question();
  wire.add_inputs()->set_image(Png(8, 8));
  wire.add_inputs()->set_image(Png(8, 8));
  EXPECT_OK(parser_.Parse(wire));
  wire.add_inputs()->set_image(Png(8, 8));
  ExpectRefused(wire, "inputs[4].image", "more than 3 images",
                engine::ErrorReason::kInvalidImage);
  EXPECT_EQ(ImagesRefused("count"), 1);
}

TEST_F(RequestParserTest, PixelsOfAllImagesTogetherAreLimited) {
  v1::ReasonRequest wire;
  wire.add_inputs()->set_text("Which?");
  wire.add_inputs()->set_image(Png(64, 32));
  wire.add_inputs()->set_image(Png(64, 32));
  EXPECT_OK(parser_.Parse(wire));
  wire.mutable_inputs(2)->set_image(Png(64, 33));
  ExpectRefused(wire, "inputs[2].image", "4160 pixels together, at most 4096",
                engine::ErrorReason::kInvalidImage);
  EXPECT_EQ(ImagesRefused("pixels"), 1);
}

TEST_F(RequestParserTest, MapRequestsNeedOneImage) {
  ExpectRefused(v1::EstimateDepthRequest(), "image", "required",
                engine::ErrorReason::kInvalidImage);
  ExpectRefused(v1::SegmentRequest(), "image", "required",
                engine::ErrorReason::kInvalidImage);
}

}  // namespace
}  // namespace cooper::rpc
