#ifndef COOPER_TESTS_BENCH_CALLBACK_CALLERS_H_
#define COOPER_TESTS_BENCH_CALLBACK_CALLERS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace cooper::bench {

// Callers that ask for text over and over until the destructor, all over one
// connection and without a thread of their own: gRPC's callbacks read.
class CallbackCallers {
 public:
  // Called with each piece of text, by a thread of gRPC's, for one caller
  // (0, 1, ...) by one thread at a time.
  using OnText = std::function<void(int caller, const std::string& text)>;

  // Of the server at `port` of this machine; each asks for `tokens` tokens.
  CallbackCallers(int callers, int port, int tokens, const OnText& on_text);
  ~CallbackCallers();

 private:
  class Caller;
  std::vector<std::unique_ptr<Caller>> callers_;
};

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_CALLBACK_CALLERS_H_
