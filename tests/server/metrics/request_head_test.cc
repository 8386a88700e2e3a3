#include "server/metrics/request_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/metrics/http_response.h"

namespace cooper::metrics {
namespace {

HttpStatus StatusOf(const std::string& received) {
  const auto head = ReadRequestHead(received);
  EXPECT_TRUE(head.has_value()) << received;
  return head.has_value() ? head->status : HttpStatus::kUnavailable;
}

TEST(RequestHeadTest, ReadsMethodAndPath) {
  const auto head = ReadRequestHead(
      "GET /metrics?a=/b HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\nbody");
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->status, HttpStatus::kOk);
  EXPECT_EQ(head->method, "GET");
  EXPECT_EQ(head->path, "/metrics");
}

TEST(RequestHeadTest, TakesWhatOtherClientsSend) {
  for (const char* request :
       {"GET /metrics HTTP/1.0\r\n\r\n", "GET /metrics HTTP/1.0\n\n",
        "\r\n\r\nGET /metrics HTTP/1.0\r\n\r\n",
        "GET http://host:8002/metrics HTTP/1.1\r\nhOST: x\r\n\r\n",
        "GET /metrics HTTP/1.9\r\nHost:\r\nX-Tab: a\tb \xc3\xa9\r\n\r\n"}) {
    EXPECT_EQ(StatusOf(request), HttpStatus::kOk) << request;
    EXPECT_EQ(ReadRequestHead(request)->path, "/metrics") << request;
  }
  EXPECT_EQ(ReadRequestHead("GET http://h HTTP/1.0\n\n")->path, "/");
  EXPECT_EQ(ReadRequestHead("GET http://h?q HTTP/1.0\n\n")->path, "/");
  EXPECT_EQ(ReadRequestHead("OPTIONS * HTTP/1.0\n\n")->path, "*");
}

TEST(RequestHeadTest, AnyShorterPrefixAsksForMore) {
  const std::string request =
      "GET /metrics HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
  for (size_t bytes = 0; bytes < request.size(); ++bytes) {
    EXPECT_FALSE(ReadRequestHead(request.substr(0, bytes)).has_value())
        << bytes;
  }
  EXPECT_EQ(StatusOf(request), HttpStatus::kOk);
}

TEST(RequestHeadTest, RefusesWhatIsNoRequest) {
  for (const char* request :
       {"GET /metrics\r\n\r\n", "GET  /metrics HTTP/1.0\r\n\r\n",
        "GET /metrics HTTP/1.0 \r\n\r\n", "GET /metrics HTTP/1\r\n\r\n",
        "GET /metrics http/1.0\r\n\r\n", "GET metrics HTTP/1.0\r\n\r\n",
        "G(T /metrics HTTP/1.0\r\n\r\n", " GET /metrics HTTP/1.0\r\n\r\n",
        "GET http:///metrics HTTP/1.0\r\n\r\n",
        "GET https://h/metrics HTTP/1.0\r\n\r\n",
        // Fields: none of a name, of a name with a space, folded, two hosts.
        "GET /metrics HTTP/1.0\r\nnothing\r\n\r\n",
        "GET /metrics HTTP/1.0\r\nHost : x\r\n\r\n",
        "GET /metrics HTTP/1.0\r\nA: b\r\n c\r\n\r\n",
        "GET /metrics HTTP/1.0\r\n: b\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET /metrics HTTP/1.1\r\n\r\n",
        "GET /metrics HTTP/1.0\r\nA: b\rc\r\n\r\n"}) {
    EXPECT_EQ(StatusOf(request), HttpStatus::kBadRequest) << request;
  }
  EXPECT_EQ(StatusOf("GET /metrics HTTP/2.0\r\n\r\n"),
            HttpStatus::kVersionNotSupported);
  EXPECT_EQ(StatusOf("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            HttpStatus::kVersionNotSupported);
}

TEST(RequestHeadTest, RefusesBinaryBeforeALineEnds) {
  EXPECT_EQ(StatusOf("\x16\x03\x01\x02"), HttpStatus::kBadRequest);
  EXPECT_EQ(StatusOf(std::string("GET /\0", 6)), HttpStatus::kBadRequest);
}

TEST(RequestHeadTest, HeadMayHaveEightKibibytesAndNotOneMore) {
  const std::string rest = " HTTP/1.0\r\n\r\n";
  const auto request = [&](size_t bytes) {
    std::string head = "GET /";
    head.append(bytes - head.size() - rest.size(), 'a');
    return head + rest;
  };
  EXPECT_EQ(StatusOf(request(8192)), HttpStatus::kOk);
  EXPECT_EQ(StatusOf(request(8192) + "body"), HttpStatus::kOk);
  EXPECT_EQ(StatusOf(request(8193)), HttpStatus::kHeadTooLarge);
  EXPECT_FALSE(ReadRequestHead(request(8193).substr(0, 8192)).has_value());
  EXPECT_EQ(StatusOf(request(1 << 20)), HttpStatus::kHeadTooLarge);
}

TEST(HttpResponseTest, HeadHasTheLengthButNotTheBody) {
  const absl::Time date = absl::FromUnixSeconds(784111777);
  EXPECT_EQ(HttpResponse(HttpStatus::kOk, /*is_head=*/true, "12345", date),
            "HTTP/1.1 200 OK\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
            "Content-Length: 5\r\n"
            "Connection: close\r\n\r\n");
}

}  // namespace
}  // namespace cooper::metrics
