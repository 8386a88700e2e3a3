#include "tests/bench/text_callers.h"

#include <chrono>
#include <optional>
#include <utility>

#include "tests/bench/require.h"

namespace cooper::bench {

v1::ReasonRequest TextQuestion(int tokens) {
  v1::ReasonRequest request;
  request.add_inputs()->set_text("Which is nearer?");
  request.set_mode(v1::MODE_TEXT_ONLY);
  request.set_max_think_tokens(tokens + 1);  // the start token counts
  return request;
}

std::vector<double> TextGaps(client::Client& client, int tokens) {
  using std::chrono::steady_clock;
  const auto stream = client.Reason(TextQuestion(tokens));
  std::vector<double> gaps;
  std::optional<steady_clock::time_point> last;
  client::Event event;
  while (stream->Next(&event)) {
    if (!event.has_text_delta()) continue;
    const auto now = steady_clock::now();
    if (last.has_value()) {
      gaps.push_back(std::chrono::duration<double>(now - *last).count());
    }
    last = now;
  }
  Require(stream->Finish());
  return gaps;
}

TextCallers::TextCallers(
    int callers,
    const std::function<std::unique_ptr<client::Client>()>& connect, int tokens,
    OnText on_text)
    : request_(TextQuestion(tokens)), on_text_(std::move(on_text)) {
  for (int i = 0; i < callers; ++i) clients_.push_back(connect());
  for (int i = 0; i < callers; ++i) {
    threads_.emplace_back([this, i] { Call(i, *clients_[i]); });
  }
}

TextCallers::~TextCallers() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
}

void TextCallers::Call(int caller, client::Client& client) {
  client::Event event;
  while (!stop_) {
    const auto stream = client.Reason(request_);
    while (!stop_ && stream->Next(&event)) {
      if (event.has_text_delta()) on_text_(caller, event.text_delta().text());
    }
    if (!stop_) Require(stream->Finish());
  }
}

}  // namespace cooper::bench
