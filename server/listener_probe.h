#ifndef COOPER_SERVER_LISTENER_PROBE_H_
#define COOPER_SERVER_LISTENER_PROBE_H_

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "base/listen_address.h"
#include "base/periodic.h"

namespace cooper {

// Connects to the server's own port now and then. A server that is well either
// says something or closes the connection (it is full); a listener that neither
// answers nor closes is deaf, whatever the rest of the process does.
class ListenerProbe {
 public:
  struct Options {
    base::ListenAddress address;  // as bound; every address: the loopback one
    std::string greeting;         // what is sent first; may be empty
    absl::Duration interval = absl::Seconds(5);  // between connections
    // Deaf after so long without any answer; longer than `interval`.
    absl::Duration patience = absl::Seconds(60);
  };

  // `on_deaf` is called once, from the probe's thread.
  ListenerProbe(const Options& options, std::function<void()> on_deaf);

 private:
  void Probe();

  const Options options_;
  const std::function<void()> on_deaf_;
  absl::Time last_answer_;
  bool told_ = false;
  base::Periodic thread_;  // last: it uses the rest
};

enum class ProbeAnswer { kAnswered, kSilent, kUnknown };

// Connects to `address`, sends `greeting` and waits for a byte or for the
// connection's end. kSilent: neither came within `timeout`. kUnknown: this
// process could not even try (no descriptor).
ProbeAnswer ProbeOnce(const base::ListenAddress& address,
                      const std::string& greeting, absl::Duration timeout);

}  // namespace cooper

#endif  // COOPER_SERVER_LISTENER_PROBE_H_
