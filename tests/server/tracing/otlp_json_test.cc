#include "server/tracing/otlp_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace cooper::tracing {
namespace {

using nlohmann::json;

Span SomeSpan() {
  Span span;
  span.trace_id = "0af7651916cd43dd8448eb211c80319c";
  span.span_id = "b7ad6b7169203331";
  span.parent_id = "00f067aa0ba902b7";
  span.name = "decode";
  span.kind = Span::Kind::kServer;
  span.start = absl::FromUnixNanos(1700000000000000001);
  span.end = absl::FromUnixNanos(1700000000500000002);
  return span;
}

TEST(OtlpJsonTest, WritesWhatTheProtocolWants) {
  Span span = SomeSpan();
  span.attributes = {{"rpc.method", "Reason"},
                     {"tokens", int64_t{9007199254740993}},
                     {"seconds", 0.25}};
  const json body = json::parse(ToOtlpJson({{"service.name", "cooper-server"}},
                                           absl::MakeSpan(&span, 1)));
  // Field names, hex ids, 64-bit integers as strings: opentelemetry.io's
  // description of OTLP's JSON encoding.
  const json expected = json::parse(R"({"resourceSpans": [{
    "resource": {"attributes": [
      {"key": "service.name", "value": {"stringValue": "cooper-server"}}]},
    "scopeSpans": [{
      "scope": {"name": "cooper.server"},
      "spans": [{
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "parentSpanId": "00f067aa0ba902b7",
        "name": "decode",
        "kind": 2,
        "startTimeUnixNano": "1700000000000000001",
        "endTimeUnixNano": "1700000000500000002",
        "attributes": [
          {"key": "rpc.method", "value": {"stringValue": "Reason"}},
          {"key": "tokens", "value": {"intValue": "9007199254740993"}},
          {"key": "seconds", "value": {"doubleValue": 0.25}}]}]}]}]})");
  EXPECT_EQ(body, expected) << body.dump(1);
}

TEST(OtlpJsonTest, AFailureHasAStatusAndARootNoParent) {
  Span span = SomeSpan();
  span.parent_id.clear();
  span.failed = true;
  span.message = "the engine failed";
  const json body = json::parse(ToOtlpJson({}, absl::MakeSpan(&span, 1)));
  const json& written = body["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
  EXPECT_FALSE(written.contains("parentSpanId"));
  EXPECT_EQ(written["status"]["code"], 2);
  EXPECT_EQ(written["status"]["message"], "the engine failed");
}

TEST(OtlpJsonTest, WhatIsNotUtf8IsReplaced) {
  Span span = SomeSpan();
  span.name = "a\xff";
  const json body = json::parse(ToOtlpJson({}, absl::MakeSpan(&span, 1)));
  EXPECT_EQ(body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"],
            "a\xEF\xBF\xBD");
}

}  // namespace
}  // namespace cooper::tracing
