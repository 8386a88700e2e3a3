#include "server/tracing/otlp_json.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace cooper::tracing {
namespace {

using nlohmann::json;

constexpr char kScope[] = "cooper.server";
constexpr int kStatusError = 2;  // STATUS_CODE_ERROR

// 64-bit integers are strings in proto3's JSON.
json Nanoseconds(absl::Time time) {
  return absl::StrCat(absl::ToUnixNanos(time));
}

json ValueOf(const Attribute& attribute) {
  if (const auto* text = std::get_if<std::string>(&attribute.second)) {
    return {{"stringValue", *text}};
  }
  if (const auto* number = std::get_if<int64_t>(&attribute.second)) {
    return {{"intValue", absl::StrCat(*number)}};
  }
  return {{"doubleValue", std::get<double>(attribute.second)}};
}

json ToJson(const std::vector<Attribute>& attributes) {
  json list = json::array();
  for (const Attribute& attribute : attributes) {
    list.push_back({{"key", attribute.first}, {"value", ValueOf(attribute)}});
  }
  return list;
}

json ToJson(const Span& span) {
  json result = {{"traceId", span.trace_id},
                 {"spanId", span.span_id},
                 {"name", span.name},
                 {"kind", static_cast<int>(span.kind)},
                 {"startTimeUnixNano", Nanoseconds(span.start)},
                 {"endTimeUnixNano", Nanoseconds(span.end)},
                 {"attributes", ToJson(span.attributes)}};
  if (!span.parent_id.empty()) result["parentSpanId"] = span.parent_id;
  if (span.failed) {
    result["status"] = {{"code", kStatusError}};
    if (!span.message.empty()) result["status"]["message"] = span.message;
  }
  return result;
}

}  // namespace

std::string ToOtlpJson(const std::vector<Attribute>& resource,
                       absl::Span<const Span> spans) {
  json list = json::array();
  for (const Span& span : spans) list.push_back(ToJson(span));
  const json body = {
      {"resourceSpans",
       {{{"resource", {{"attributes", ToJson(resource)}}},
         {"scopeSpans",
          {{{"scope", {{"name", kScope}}}, {"spans", std::move(list)}}}}}}}};
  // What callers wrote may not be UTF-8.
  return body.dump(/*indent=*/-1, /*indent_char=*/' ', /*ensure_ascii=*/false,
                   json::error_handler_t::replace);
}

}  // namespace cooper::tracing
