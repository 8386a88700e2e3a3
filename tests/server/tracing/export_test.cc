// What is read from flags and the environment; that it arrives is for
// tests/integration/traces_test.py.
#include "server/tracing/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "tests/testing/status_matchers.h"

namespace cooper::tracing {
namespace {

using cooper::testing::IsOk;
using cooper::testing::StatusIs;
using ::testing::AllOf;
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

std::string EndpointOf(const std::string& flag,
                       const std::map<std::string, std::string>& variables) {
  return TracesEndpoint(flag, [&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  });
}

TEST(TracesEndpointTest, TheFlagGetsTheStandardPathWhereItHasNone) {
  for (const auto& [flag, endpoint] :
       {std::pair{"http://c:4318", "http://c:4318/v1/traces"},
        {"http://c:4318/", "http://c:4318/v1/traces"},
        {"https://[::1]:4318", "https://[::1]:4318/v1/traces"},
        {"http://c/?key=1", "http://c/v1/traces?key=1"},
        {"http://c:4318/v1/traces", "http://c:4318/v1/traces"},
        {"http://c:4318/other", "http://c:4318/other"},
        {"http://c:4318/other/", "http://c:4318/other/"},
        {"collector:4317", "collector:4317"},
        {"http://", "http://"},
        {"", ""}}) {
    EXPECT_EQ(EndpointOf(flag, {}), endpoint) << flag;
  }
  EXPECT_EQ(EndpointOf("http://flag:4318",
                       {{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t/x"},
                        {"OTEL_SDK_DISABLED", "true"}}),
            "http://flag:4318/v1/traces");
}

TEST(TracesEndpointTest, VariablesMeanWhatOpenTelemetrySays) {
  const std::string all = "OTEL_EXPORTER_OTLP_ENDPOINT";
  const std::string traces = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
  EXPECT_EQ(EndpointOf("", {{all, "http://c:4318"}}),
            "http://c:4318/v1/traces");
  EXPECT_EQ(EndpointOf("", {{all, "http://c:4318/"}}),
            "http://c:4318/v1/traces");
  EXPECT_EQ(EndpointOf("", {{all, "https://c/otlp"}}),
            "https://c/otlp/v1/traces");
  EXPECT_EQ(EndpointOf("", {{all, "http://c/v1/traces"}}),
            "http://c/v1/traces/v1/traces");
  EXPECT_EQ(EndpointOf("", {{traces, "http://t:4318"}, {all, "http://c:4318"}}),
            "http://t:4318");
  EXPECT_EQ(EndpointOf("", {{traces, ""}, {all, "http://c:4318"}}),
            "http://c:4318/v1/traces");
  EXPECT_EQ(EndpointOf("", {{all, "http://c"}, {"OTEL_SDK_DISABLED", "True"}}),
            "");
  EXPECT_EQ(
      EndpointOf("", {{all, "http://c"}, {"OTEL_TRACES_EXPORTER", "none"}}),
      "");
  EXPECT_EQ(
      EndpointOf("", {{all, "http://c"}, {"OTEL_TRACES_EXPORTER", "otlp"}}),
      "http://c/v1/traces");
}

TEST(TracesEndpointTest, AVariableThatIsNoUrlIsToldAndNotUsed) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(EndpointOf("", {{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"}}),
            "");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("OTEL_EXPORTER_OTLP_ENDPOINT"),
                    HasSubstr("collector:4317")));
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
