#include "server/metrics/process_collector.h"

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

namespace cooper::metrics {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

void Add(std::vector<MetricFamily>* families, const char* name,
         const char* help, MetricType type, std::optional<double> value) {
  if (!value.has_value()) return;
  prometheus::ClientMetric metric;
  if (type == MetricType::Counter) {
    metric.counter.value = *value;
  } else {
    metric.gauge.value = *value;
  }
  families->push_back(MetricFamily{name, help, type, {metric}});
}

// Seconds since boot at which the process started: field 22 of
// /proc/self/stat, counted behind the command name, which may hold spaces.
std::optional<double> StartSinceBootSeconds() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  double ticks = 0;
  if (!(fields >> ticks)) return std::nullopt;
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// Unix time at which the machine started.
std::optional<double> BootTimeSeconds() {
  std::ifstream file("/proc/stat");
  std::string key;
  while (file >> key) {
    double value = 0;
    if (key == "btime" && file >> value) return value;
    std::string rest;
    std::getline(file, rest);
  }
  return std::nullopt;
}

std::optional<double> StartTimeSeconds() {
  const std::optional<double> boot = BootTimeSeconds();
  const std::optional<double> start = StartSinceBootSeconds();
  if (!boot.has_value() || !start.has_value()) return std::nullopt;
  return *boot + *start;
}

std::optional<double> CpuSeconds() {
  rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) return std::nullopt;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::optional<double> ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  double total_pages = 0;
  double resident_pages = 0;
  if (!(file >> total_pages >> resident_pages)) return std::nullopt;
  return resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

std::optional<double> OpenFds() {
  std::error_code error;
  const std::filesystem::directory_iterator entries("/proc/self/fd", error);
  if (error) return std::nullopt;
  // Not the descriptor of the reading itself.
  return static_cast<double>(std::distance(begin(entries), end(entries)) - 1);
}

std::optional<double> MaxFds() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

std::vector<MetricFamily> ProcessCollector::Collect() const {
  std::vector<MetricFamily> families;
  Add(&families, "process_cpu_seconds_total",
      "Processor time of the process, user and system.", MetricType::Counter,
      CpuSeconds());
  Add(&families, "process_resident_memory_bytes",
      "Resident memory of the process.", MetricType::Gauge, ResidentBytes());
  Add(&families, "process_open_fds", "Open file descriptors.",
      MetricType::Gauge, OpenFds());
  Add(&families, "process_max_fds", "Limit of open file descriptors.",
      MetricType::Gauge, MaxFds());
  Add(&families, "process_start_time_seconds",
      "Unix time at which the process started.", MetricType::Gauge,
      StartTimeSeconds());
  return families;
}

}  // namespace cooper::metrics
