#ifndef COOPER_CLIENT_CLI_EVENT_PRINTER_H_
#define COOPER_CLIENT_CLI_EVENT_PRINTER_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "client/cli/console.h"
#include "cooper/client/event.h"

namespace cooper::client {

// Shows a call to a person while it runs: text on standard output as it comes,
// maps as a progress bar, the rest as notices. Not thread-safe.
class EventPrinter {
 public:
  // `console` must outlive this.
  explicit EventPrinter(Console* console) : console_(*console) {}

  // Shows the next event (maps joined); `now` times the maps.
  void Print(const Event& event, absl::Time now);

  // The call is over, however it ended: ends what is open on the screen.
  void End();

 private:
  struct OpenMap {
    v1::MapStarted started;
    absl::Time since;
    int step = 0;
  };

  void PrintText(const v1::TextDelta& delta);
  void BeginMap(const v1::MapStarted& started, absl::Time now);
  void PrintProgress(const v1::MapProgress& progress, absl::Time now);
  void EndMap(absl::Time now);
  void PrintFinished(const v1::Finished& finished);

  Console& console_;
  // The block of text that is being written.
  std::optional<std::pair<int32_t, v1::TextChannel>> block_;
  bool block_has_text_ = false;
  bool shown_answer_ = false;  // text that is no thought and no request
  std::string pending_space_;  // not written unless text follows
  std::optional<OpenMap> map_;
};

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_EVENT_PRINTER_H_
