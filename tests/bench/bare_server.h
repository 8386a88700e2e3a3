#ifndef COOPER_TESTS_BENCH_BARE_SERVER_H_
#define COOPER_TESTS_BENCH_BARE_SERVER_H_

#include <memory>

#include "absl/time/time.h"
#include "cooper/client/client.h"
#include "tests/bench/batch_stamps.h"

namespace cooper::bench {

// gRPC and nothing else: Reason streams the messages that the server sends for
// a token, with neither engine nor queue behind it. What the machine can do.
class BareServer {
 public:
  // A message to every open stream each `period`; zero: the next one as soon
  // as the last is written.
  explicit BareServer(absl::Duration period);
  ~BareServer();

  int port() const;
  std::unique_ptr<client::Client> Connect() const;
  const BatchStamps& stamps() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_BARE_SERVER_H_
