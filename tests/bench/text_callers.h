#ifndef COOPER_TESTS_BENCH_TEXT_CALLERS_H_
#define COOPER_TESTS_BENCH_TEXT_CALLERS_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cooper/client/client.h"

namespace cooper::bench {

// A question without an image, to be answered with `tokens` tokens of text.
v1::ReasonRequest TextQuestion(int tokens);

// Seconds from one piece of a text of `tokens` tokens to the next.
std::vector<double> TextGaps(client::Client& client, int tokens);

// Callers, each with a connection and a thread of its own, that ask for text
// over and over until the destructor.
class TextCallers {
 public:
  // Called with each piece of text by the thread of its caller (0, 1, ...).
  using OnText = std::function<void(int caller, const std::string& text)>;

  TextCallers(int callers,
              const std::function<std::unique_ptr<client::Client>()>& connect,
              int tokens, OnText on_text);
  ~TextCallers();

 private:
  void Call(int caller, client::Client& client);

  const v1::ReasonRequest request_;
  const OnText on_text_;
  std::vector<std::unique_ptr<client::Client>> clients_;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_TEXT_CALLERS_H_
