#include "server/engine/execution/map_publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "model/image/codec.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/testing/status_matchers.h"

namespace cooper::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

DrawnMap Map(model::MapKind kind) {
  DrawnMap map;
  map.map_id = 3;
  map.kind = kind;
  map.decoded.size = {32, 16};
  for (int i = 0; i < 32 * 16 * 3; ++i) {
    map.decoded.pixels.push_back(i < 32 * 8 * 3 ? 0.25F : 0.75F);
  }
  RenderPicture(&map);
  map.vision = std::make_shared<const image::RgbImage>(TestImage(28, 14));
  return map;
}

std::vector<MapEvent> Render(model::MapKind kind, const OutputOptions& output) {
  const auto events = RenderMapEvents(Map(kind), output);
  EXPECT_OK(events);
  std::vector<MapEvent> maps;
  for (const Event& event : *events) maps.push_back(std::get<MapEvent>(event));
  return maps;
}

std::vector<MapRole> Roles(const std::vector<MapEvent>& maps) {
  std::vector<MapRole> roles;
  roles.reserve(maps.size());
  for (const MapEvent& map : maps) roles.push_back(map.role);
  return roles;
}

TEST(MapPublisherTest, DepthComesAsGreyValuesAndAsColours) {
  const auto maps = Render(model::MapKind::kDepth, {});
  ASSERT_THAT(Roles(maps), ElementsAre(MapRole::kValues, MapRole::kDisplay));
  EXPECT_EQ(maps[0].encoding, MapEncoding::kPngGrey16);
  EXPECT_EQ(maps[1].encoding, MapEncoding::kPngRgb8);
  for (const MapEvent& map : maps) {
    EXPECT_EQ(map.map_id, 3);
    EXPECT_EQ(map.size, (image::Size{32, 16}));
    EXPECT_THAT(map.regions, IsEmpty());
    ASSERT_OK_AND_ASSIGN(const image::ImageHeader header,
                         image::ProbeImage(*map.data, {}));
    EXPECT_EQ(header.format, image::Format::kPng);
    EXPECT_EQ(header.size, map.size);
  }
  ASSERT_OK_AND_ASSIGN(const image::RgbImage colours,
                       image::DecodeImage(*maps[1].data, {}));
  EXPECT_EQ(colours.pixels, Map(model::MapKind::kDepth).picture.pixels);
}

TEST(MapPublisherTest, DepthComesAsFloatsWhereAsked) {
  OutputOptions output;
  output.roles = {MapRole::kValues};
  output.depth_encoding = MapEncoding::kRawFloat32;
  const auto maps = Render(model::MapKind::kDepth, output);
  ASSERT_EQ(maps.size(), 1U);
  ASSERT_EQ(maps[0].data->size(), 32U * 16 * 4);
  float first = 0;
  std::memcpy(&first, maps[0].data->data(), sizeof(first));
  EXPECT_EQ(first, 0.25F);
}

TEST(MapPublisherTest, ASegmentationIsSentOnceWithItsRegions) {
  const auto maps = Render(model::MapKind::kSegmentation, {});
  ASSERT_THAT(Roles(maps), ElementsAre(MapRole::kValues));
  EXPECT_EQ(maps[0].encoding, MapEncoding::kPngRgb8);
  EXPECT_EQ(maps[0].regions.size(), 2U);
  OutputOptions display;
  display.roles = {MapRole::kDisplay};
  const auto shown = Render(model::MapKind::kSegmentation, display);
  ASSERT_THAT(Roles(shown), ElementsAre(MapRole::kDisplay));
  EXPECT_EQ(shown[0].regions.size(), 2U);
}

TEST(MapPublisherTest, ASegmentationComesAsRawBytesWhereAsked) {
  OutputOptions output;
  output.colour_encoding = MapEncoding::kRawRgb8;
  const auto maps = Render(model::MapKind::kSegmentation, output);
  // The display is PNG, so it is not the same bytes again.
  ASSERT_THAT(Roles(maps), ElementsAre(MapRole::kValues, MapRole::kDisplay));
  EXPECT_EQ(maps[0].encoding, MapEncoding::kRawRgb8);
  EXPECT_EQ(maps[1].encoding, MapEncoding::kPngRgb8);
  ASSERT_OK_AND_ASSIGN(const image::RgbImage display,
                       image::DecodeImage(*maps[1].data, {}));
  EXPECT_EQ(*maps[0].data,
            std::string(display.pixels.begin(), display.pixels.end()));
}

TEST(MapPublisherTest, WhatTheModelSawHasItsOwnSize) {
  OutputOptions output;
  output.roles = {MapRole::kAsSeenByModel, MapRole::kDisplay};
  const auto maps = Render(model::MapKind::kSegmentation, output);
  ASSERT_THAT(Roles(maps),
              ElementsAre(MapRole::kAsSeenByModel, MapRole::kDisplay));
  EXPECT_EQ(maps[0].size, (image::Size{28, 14}));
  EXPECT_THAT(maps[0].regions, IsEmpty());
}

TEST(MapPublisherTest, APictureHasNoRegions) {
  const auto maps = Render(model::MapKind::kImage, {});
  ASSERT_EQ(maps.size(), 1U);
  EXPECT_THAT(maps[0].regions, IsEmpty());
}

TEST(MapPublisherTest, APreviewIsAPictureUnlessItIsTooLarge) {
  const auto preview = RenderPreview(model::MapKind::kDepth,
                                     Map(model::MapKind::kDepth).decoded);
  ASSERT_TRUE(preview.has_value());
  ASSERT_OK_AND_ASSIGN(const image::RgbImage image,
                       image::DecodeImage(*preview, {}));
  EXPECT_EQ(image.pixels, Map(model::MapKind::kDepth).picture.pixels);

  image::FloatRgbImage noise;
  noise.size = {512, 512};
  uint32_t state = 1;
  for (int i = 0; i < 512 * 512 * 3; ++i) {
    state = state * 1664525 + 1013904223;
    noise.pixels.push_back(static_cast<float>(state >> 8) * 0x1p-24F);
  }
  EXPECT_EQ(RenderPreview(model::MapKind::kSegmentation, noise), std::nullopt);
}

}  // namespace
}  // namespace cooper::engine
