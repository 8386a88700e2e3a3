#include "client/cli/event_printer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/progress.h"
#include "client/report/html.h"
#include "client/report/map_html.h"

namespace cooper::client {
namespace {

Console::Look LookOf(v1::TextChannel channel) {
  switch (channel) {
    case v1::TEXT_CHANNEL_THINK:
      return Console::Look::kThought;
    case v1::TEXT_CHANNEL_PERCEPTION_REQUEST:
      return Console::Look::kRequest;
    case v1::TEXT_CHANNEL_ANSWER:
      return Console::Look::kAnswer;
    default:
      return Console::Look::kPlain;
  }
}

std::string SizeOf(const v1::MapStarted& map) {
  return absl::StrCat(map.width(), "x", map.height());
}

std::string ReasonText(v1::FinishReason reason) {
  switch (reason) {
    case v1::FINISH_REASON_MAX_TURNS:
      return "no answer: the last turn that was allowed ended without one "
             "(--max_turns)";
    case v1::FINISH_REASON_MAX_TOKENS:
      return "no answer: a text reached its limit (--max_think_tokens)";
    case v1::FINISH_REASON_NO_REQUEST:
      return "no answer: the model neither answered nor asked for a map";
    default:
      return "no answer";
  }
}

std::string Count(int64_t count, absl::string_view noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

}  // namespace

void EventPrinter::Print(const Event& event, absl::Time now) {
  switch (event.event_case()) {
    case Event::kStarted:
      shown_answer_ = false;
      console_.Notice(absl::StrCat("model ", event.started().model(), ", seed ",
                                   event.started().seed(), ", request ",
                                   event.started().request_id()));
      break;
    case Event::kTextDelta:
      PrintText(event.text_delta());
      break;
    case Event::kMapStarted:
      BeginMap(event.map_started(), now);
      break;
    case Event::kMapProgress:
      PrintProgress(event.map_progress(), now);
      break;
    case Event::kMap:
      EndMap(now);
      break;
    case Event::kFinished:
      EndMap(now);
      PrintFinished(event.finished());
      break;
    case Event::kSession:
    case Event::kTurnCancelled:
    case Event::EVENT_NOT_SET:
      break;
  }
}

void EventPrinter::PrintText(const v1::TextDelta& delta) {
  const std::pair<int32_t, v1::TextChannel> block(delta.turn(),
                                                  delta.channel());
  if (block_ != block) {
    console_.EndLine();
    block_ = block;
    block_has_text_ = false;
    pending_space_.clear();
  }
  const absl::string_view text = delta.text();
  const absl::string_view body = absl::StripTrailingAsciiWhitespace(text);
  if (body.empty()) {
    pending_space_ += std::string(text);
    return;
  }
  std::string written =
      std::exchange(pending_space_, std::string(text.substr(body.size())));
  absl::StrAppend(&written, body);
  if (!block_has_text_) {
    absl::StripLeadingAsciiWhitespace(&written);
    block_has_text_ = true;
  }
  shown_answer_ = shown_answer_ || delta.channel() == v1::TEXT_CHANNEL_ANSWER ||
                  delta.channel() == v1::TEXT_CHANNEL_PLAIN;
  console_.Text(written, LookOf(delta.channel()));
}

void EventPrinter::BeginMap(const v1::MapStarted& started, absl::Time now) {
  console_.EndLine();
  block_.reset();
  map_ = OpenMap{started, now};
  if (console_.traits().err_is_terminal) {
    PrintProgress({}, now);
  } else {
    console_.Notice(absl::StrCat("generating a ", MapNoun(started.kind()), ", ",
                                 SizeOf(started), ", ",
                                 Count(started.num_steps(), "step")));
  }
}

void EventPrinter::PrintProgress(const v1::MapProgress& progress,
                                 absl::Time now) {
  if (!map_.has_value()) return;
  map_->step = std::max(map_->step, progress.step());
  const Console::Traits& traits = console_.traits();
  // The last column stays free: a full line would wrap and not be redrawn.
  console_.Bar(ProgressLine({MapNoun(map_->started.kind()), map_->step,
                             map_->started.num_steps(), now - map_->since},
                            traits.columns - 1, traits.unicode));
}

void EventPrinter::EndMap(absl::Time now) {
  if (!map_.has_value()) return;
  const OpenMap map = *std::exchange(map_, std::nullopt);
  console_.Notice(absl::StrCat(
      MapNoun(map.started.kind()), ", ", SizeOf(map.started), ", ",
      Count(map.started.num_steps(), "step"), " in ",
      HumanMilliseconds(absl::ToDoubleMilliseconds(now - map.since))));
}

void EventPrinter::PrintFinished(const v1::Finished& finished) {
  console_.EndLine();
  // It came as part of a thought that the model did not close.
  if (!shown_answer_ && !finished.answer_text().empty()) {
    console_.Text(finished.answer_text(), Console::Look::kAnswer);
    console_.EndLine();
  }
  const v1::Usage& usage = finished.usage();
  if (finished.reason() != v1::FINISH_REASON_ANSWERED) {
    console_.Problem(ReasonText(finished.reason()));
  }
  std::string line =
      absl::StrCat("done in ", HumanMilliseconds(usage.total_ms()));
  if (usage.output_tokens() > 0) {
    absl::StrAppend(&line, ", ", Count(usage.output_tokens(), "token"));
  }
  if (usage.maps() > 0) {
    absl::StrAppend(&line, ", ", Count(usage.maps(), "map"));
  }
  console_.Notice(line);
}

void EventPrinter::End() {
  console_.ClearBar();
  console_.EndLine();
}

}  // namespace cooper::client
