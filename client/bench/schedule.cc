#include "client/bench/schedule.h"

#include <algorithm>
#include <cmath>

namespace cooper::client::bench {
namespace {

// [0, 1) by the 53 high bits; the standard's distributions differ between
// libraries, and the same seed must make the same load everywhere.
double Uniform(std::mt19937_64* engine) {
  return std::ldexp(static_cast<double>((*engine)() >> 11), -53);
}

}  // namespace

Schedule::Schedule(const RunOptions& options, const Workload& workload)
    : options_(options),
      in_order_(workload.in_order),
      arrivals_(options.seed),
      choices_(options.seed + 1),
      cancels_(options.seed + 2) {
  double sum = 0.0;
  for (const WorkItem& item : workload.items) {
    sum += item.weight;
    weights_.push_back(sum);
  }
}

size_t Schedule::ChooseItem(int64_t index) {
  if (in_order_) return static_cast<size_t>(index) % weights_.size();
  const double mark = Uniform(&choices_) * weights_.back();
  const auto chosen =
      std::upper_bound(weights_.begin(), weights_.end() - 1, mark);
  return static_cast<size_t>(chosen - weights_.begin());
}

std::optional<Ticket> Schedule::Next(absl::Duration now) {
  if (options_.requests.has_value() && counted_ >= *options_.requests) {
    return std::nullopt;
  }
  Ticket ticket;
  ticket.arrival = now;
  if (options_.open_loop()) {
    last_arrival_ +=
        absl::Seconds(-std::log1p(-Uniform(&arrivals_)) / *options_.rate);
    ticket.arrival = last_arrival_;
  }
  if (ticket.arrival >= options_.LoadEnd()) {
    time_is_up_ = true;
    return std::nullopt;
  }
  ticket.index = issued_++;
  ticket.item = ChooseItem(ticket.index);
  ticket.counted = ticket.arrival >= options_.warmup;
  if (ticket.counted) ++counted_;
  if (options_.cancel_share > 0) {
    const bool cancelled = Uniform(&cancels_) < options_.cancel_share;
    const double part = Uniform(&cancels_);
    if (cancelled) ticket.cancel_after = part * options_.cancel_within;
  }
  return ticket;
}

}  // namespace cooper::client::bench
