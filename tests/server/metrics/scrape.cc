#include "tests/server/metrics/scrape.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace cooper::testing {
namespace {

// name="value",... without escapes: our label values need none.
Scrape::Labels ParseLabels(absl::string_view text) {
  Scrape::Labels labels;
  for (absl::string_view pair : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(pair, absl::MaxSplits('=', 1));
    labels[std::string(parts.first)] =
        std::string(parts.second.substr(1, parts.second.size() - 2));
  }
  return labels;
}

// The family that a sample belongs to.
std::string FamilyOf(const Scrape& scrape, const std::string& sample) {
  if (scrape.families.contains(sample)) return sample;
  for (const char* suffix : {"_bucket", "_sum", "_count"}) {
    absl::string_view stem = sample;
    if (absl::ConsumeSuffix(&stem, suffix) &&
        scrape.families.contains(std::string(stem))) {
      return std::string(stem);
    }
  }
  return sample;
}

}  // namespace

Scrape Scrape::Parse(const std::string& text) {
  Scrape scrape;
  scrape.text = text;
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.empty()) continue;
    if (line.rfind("# TYPE ", 0) == 0) {
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      scrape.families[words[2]].type = words[3];
      continue;
    }
    if (line[0] == '#') continue;
    Sample sample;
    const size_t space = line.rfind(' ');
    sample.value = std::strtod(line.c_str() + space + 1, nullptr);
    const size_t brace = line.find('{');
    if (brace != std::string::npos) {
      sample.name = line.substr(0, brace);
      sample.labels =
          ParseLabels(line.substr(brace + 1, line.rfind('}') - brace - 1));
    } else {
      sample.name = line.substr(0, space);
    }
    for (const auto& [label, value] : sample.labels) {
      if (label == "le" || label == "quantile") continue;
      scrape.families[FamilyOf(scrape, sample.name)].labels.insert(label);
    }
    scrape.samples.push_back(std::move(sample));
  }
  return scrape;
}

double Scrape::Sum(const std::string& name, const Labels& labels) const {
  double sum = 0;
  for (const Sample& sample : samples) {
    if (sample.name != name) continue;
    const bool match =
        std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
          const auto it = sample.labels.find(label.first);
          return it != sample.labels.end() && it->second == label.second;
        });
    if (match) sum += sample.value;
  }
  return sum;
}

std::string HttpGetMetrics(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  const std::string request =
      "GET /metrics HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) ==
          0 &&
      write(fd, request.data(), request.size()) ==
          static_cast<ssize_t>(request.size())) {
    char buffer[65536];
    ssize_t got = 0;
    while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
      answer.append(buffer, static_cast<size_t>(got));
    }
  }
  close(fd);
  const size_t body = answer.find("\r\n\r\n");
  return body == std::string::npos ? "" : answer.substr(body + 4);
}

std::vector<std::string> IdentityBreaches(const Scrape& scrape) {
  std::vector<std::string> breaches;
  const auto expect = [&](const std::string& what, double left, double right) {
    if (left != right) {
      breaches.push_back(absl::StrCat(what, ": ", left, " != ", right));
    }
  };
  std::set<std::string> methods;
  for (const Scrape::Sample& sample : scrape.samples) {
    if (sample.name == "cooper_rpc_started_total") {
      methods.insert(sample.labels.at("method"));
    }
  }
  if (methods.empty()) breaches.push_back("no cooper_rpc_started_total");
  for (const std::string& method : methods) {
    const Scrape::Labels of = {{"method", method}};
    const double finished = scrape.Sum("cooper_requests_total", of);
    const double ok = scrape.Sum("cooper_requests_total",
                                 {{"method", method}, {"code", "OK"}});
    expect(method + ": started = finished + in flight",
           scrape.Sum("cooper_rpc_started_total", of),
           finished + scrape.Sum("cooper_requests_in_flight", of));
    expect(method + ": not OK = rejections + cancellations + errors",
           finished - ok,
           scrape.Sum("cooper_rejections_total", of) +
               scrape.Sum("cooper_cancellations_total", of) +
               scrape.Sum("cooper_errors_total", of));
    expect(method + ": durations observed = finished",
           scrape.Sum("cooper_request_duration_seconds_count", of), finished);
  }
  if (scrape.Sum("cooper_requests_in_flight") == 0) {
    for (const char* gauge :
         {"cooper_queue_depth", "cooper_requests_running",
          "cooper_kv_cache_bytes", "cooper_stream_buffer_bytes",
          "cooper_image_decode_bytes_in_use"}) {
      expect(gauge, scrape.Sum(gauge), 0);
    }
  }
  return breaches;
}

Scrape ScrapeAtRest(int port) {
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  Scrape scrape;
  do {
    scrape = Scrape::Parse(HttpGetMetrics(port));
  } while ((scrape.text.empty() ||
            scrape.Sum("cooper_requests_in_flight") != 0 ||
            !IdentityBreaches(scrape).empty()) &&
           absl::Now() < give_up);
  return scrape;
}

}  // namespace cooper::testing
