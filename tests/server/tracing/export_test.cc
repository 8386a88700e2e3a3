// What is read from flags and the environment; that it arrives is for
// tests/integration/traces_test.py.
#include "server/tracing/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/testing/status_matchers.h"

namespace cooper::tracing {
namespace {

using cooper::testing::IsOk;
using cooper::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::VariantWith;

TEST(ExportOptionsTest, TheEndpointIsAUrlOfHttp) {
  ExportOptions options;
  EXPECT_THAT(options.Validate(), IsOk());
  for (const char* good :
       {"http://collector:4318/v1/traces", "https://[::1]/traces"}) {
    options.endpoint = good;
    EXPECT_THAT(options.Validate(), IsOk()) << good;
  }
  for (const char* bad : {"collector:4317", "grpc://collector:4317", "http://",
                          "file:///etc/passwd", "http://a b/"}) {
    options.endpoint = bad;
    EXPECT_THAT(options.Validate(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("otlp_traces_endpoint: must be a URL")))
        << bad;
  }
}

TEST(ExportOptionsTest, TheRatioIsAShare) {
  ExportOptions options;
  for (const double bad : {-0.1, 1.1, std::nan("")}) {
    options.sample_ratio = bad;
    EXPECT_THAT(options.Validate(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("trace_sample_ratio: must be in [0, 1]")));
  }
}

TEST(ParsePairsTest, ReadsListsOfTheEnvironment) {
  EXPECT_THAT(
      ParsePairs("a=1, b = two ,c=d%20e%2Cf,authorization=Bearer%20x=="),
      ElementsAre(Pair("a", "1"), Pair("b", "two"), Pair("c", "d e,f"),
                  Pair("authorization", "Bearer x==")));
  EXPECT_THAT(ParsePairs(" , =x,novalue,%41=%zz%4"),
              ElementsAre(Pair("%41", "%zz%4")));
  EXPECT_THAT(ParsePairs(""), IsEmpty());
}

TEST(ProcessResourceTest, WhatTheEnvironmentSaysComesFirst) {
  const auto has = [](const std::vector<Attribute>& resource, const char* key,
                      const char* value) {
    EXPECT_THAT(resource, Contains(Pair(key, VariantWith<std::string>(value))));
  };
  const auto plain = ProcessResource("1.2.3", "", "");
  has(plain, "service.name", "cooper-server");
  has(plain, "service.version", "1.2.3");
  const std::string pairs =
      "service.name=other,k8s.pod.name=cooper-0,service.version=9";
  has(ProcessResource("1.2.3", pairs, ""), "service.name", "other");
  const auto named = ProcessResource("1.2.3", pairs, "robots");
  has(named, "service.name", "robots");
  has(named, "k8s.pod.name", "cooper-0");
  has(named, "service.version", "9");
}

}  // namespace
}  // namespace cooper::tracing
