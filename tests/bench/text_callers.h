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

// Seconds from the sending of a request to each piece of its text. A failed
// request ends the program.
std::vector<double> TextTimes(client::Client& client,
                              const v1::ReasonRequest& request);

// Seconds from one piece of a text of `tokens` tokens to the next.
std::vector<double> TextGaps(client::Client& client, int tokens);

// Called with each piece of text for one caller (0, 1, ...) by one thread at a
// time.
using OnText = std::function<void(int caller, const std::string& text)>;

// Callers, each with a connection and a thread of its own, that ask for text
// over and over until the destructor. They measure rates: readers by callbacks
// take gRPC alone from 150,000 messages a second to 70,000.
class TextCallers {
 public:
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

// The same over one connection and without a thread of their own: gRPC's
// callbacks read. They measure latencies: the scheduling of one more thread a
// stream would count.
class CallbackCallers {
 public:
  // Of the server at `port` of this machine; each asks for `tokens` tokens.
  CallbackCallers(int callers, int port, int tokens, const OnText& on_text);
  ~CallbackCallers();

 private:
  class Caller;
  std::vector<std::unique_ptr<Caller>> callers_;
};

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_TEXT_CALLERS_H_
