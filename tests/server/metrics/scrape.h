#ifndef COOPER_TESTS_SERVER_METRICS_SCRAPE_H_
#define COOPER_TESTS_SERVER_METRICS_SCRAPE_H_

#include <map>
#include <set>
#include <string>
#include <vector>

namespace cooper::testing {

// One scrape, parsed.
struct Scrape {
  struct Family {
    std::string type;              // "counter", ...
    std::set<std::string> labels;  // without le and quantile
  };
  using Labels = std::map<std::string, std::string>;
  struct Sample {
    std::string name;
    Labels labels;
    double value = 0;
  };

  std::string text;
  std::map<std::string, Family> families;
  std::vector<Sample> samples;

  static Scrape Parse(const std::string& text);

  // Sum of all samples of that name whose labels contain `labels`.
  double Sum(const std::string& name, const Labels& labels = {}) const;
};

// Body of GET http://127.0.0.1:port/metrics; empty where it fails.
std::string HttpGetMetrics(int port);

// What breaks the accounting identity of docs/metrics.md; empty if it holds.
std::vector<std::string> IdentityBreaches(const Scrape& scrape);

// Scrapes until no request is in flight (at most ten seconds).
Scrape ScrapeAtRest(int port);

}  // namespace cooper::testing

#endif  // COOPER_TESTS_SERVER_METRICS_SCRAPE_H_
