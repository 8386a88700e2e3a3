#ifndef COOPER_CLIENT_REPORT_TRANSCRIPT_H_
#define COOPER_CLIENT_REPORT_TRANSCRIPT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cooper/client/event.h"

namespace cooper::client {

// Text of one turn and channel that was written in one go.
struct TextBlock {
  int32_t turn = 0;
  v1::TextChannel channel = v1::TEXT_CHANNEL_UNSPECIFIED;
  std::string text;
};

// A map: its announcement, how far it came, and its renderings.
struct MapBlock {
  struct Preview {
    int32_t step = 0;
    std::string png;
  };
  v1::MapStarted started;
  int32_t steps_done = 0;
  std::vector<Preview> previews;
  std::vector<v1::MapResult> results;  // joined, in order of arrival

  // The rendering of `role`, or null.
  const v1::MapResult* Find(v1::MapRole role) const;
  // The rendering for eyes: DISPLAY, else VALUES if it is a PNG, else what the
  // model saw, else null.
  const v1::MapResult* ForEyes() const;
};

using Block = std::variant<TextBlock, MapBlock>;

// What happened in one call, in order: the events put together. Not
// thread-safe.
class Transcript {
 public:
  // Takes the next event; maps must be joined.
  void Add(const Event& event);

  const std::vector<Block>& blocks() const { return blocks_; }
  const std::optional<v1::Started>& started() const { return started_; }
  // Unset: the call failed or still runs.
  const std::optional<v1::Finished>& finished() const { return finished_; }

  // The answer without its tags: the server's answer_text; where it is empty
  // or did not come, the last ANSWER text, else the last PLAIN one, else what
  // the server calls the answer.
  std::string Answer() const;

 private:
  void AddText(const v1::TextDelta& delta);
  MapBlock& MapOf(int32_t map_id);

  std::vector<Block> blocks_;
  std::optional<v1::Started> started_;
  std::optional<v1::Finished> finished_;
};

}  // namespace cooper::client

#endif  // COOPER_CLIENT_REPORT_TRANSCRIPT_H_
