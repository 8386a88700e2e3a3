#include "client/report/report.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/report/html.h"
#include "client/report/map_html.h"
#include "client/report/report_assets.h"
#include "client/report/usage_html.h"
#include "cooper/client/error.h"

namespace cooper::client {
namespace {

constexpr size_t kLongTitle = 120;  // characters; above: smaller type
constexpr size_t kNoBlock = static_cast<size_t>(-1);

bool IsBlank(const TextBlock& block) {
  return absl::StripAsciiWhitespace(block.text).empty();
}

std::string Prose(absl::string_view css_class, absl::string_view text) {
  return absl::StrCat("<div class=\"", css_class, "\" dir=\"auto\">",
                      EscapeHtml(absl::StripAsciiWhitespace(text)), "</div>");
}

std::string Step(absl::string_view css_class, absl::string_view title,
                 absl::string_view body) {
  return absl::StrCat("<li class=\"", css_class, "\"><h2>", title, "</h2>\n",
                      body, "</li>\n");
}

// The block that is the answer: the last ANSWER text; in a call that was
// answered without tags the last PLAIN one.
size_t AnswerBlock(const Transcript& transcript) {
  const auto& blocks = transcript.blocks();
  for (const v1::TextChannel channel :
       {v1::TEXT_CHANNEL_ANSWER, v1::TEXT_CHANNEL_PLAIN}) {
    if (channel == v1::TEXT_CHANNEL_PLAIN &&
        (!transcript.finished().has_value() ||
         transcript.finished()->reason() != v1::FINISH_REASON_ANSWERED)) {
      break;
    }
    for (size_t i = blocks.size(); i-- > 0;) {
      const auto* text = std::get_if<TextBlock>(&blocks[i]);
      if (text != nullptr && text->channel == channel && !IsBlank(*text)) {
        return i;
      }
    }
  }
  return kNoBlock;
}

std::string AnswerStep(const Transcript& transcript, absl::string_view text) {
  std::string body;
  const auto& finished = transcript.finished();
  if (finished.has_value() && finished->has_boxed() &&
      !absl::StripAsciiWhitespace(finished->boxed()).empty()) {
    absl::StrAppend(&body, "<p class=\"verdict\" dir=\"auto\">",
                    EscapeHtml(finished->boxed()), "</p>\n");
  }
  absl::StrAppend(&body, "<div class=\"said\" dir=\"auto\">",
                  AnswerHtml(absl::StripAsciiWhitespace(text)), "</div>");
  return absl::StrCat("<li class=\"answer\" id=\"answer\"><h2>Answer</h2>\n",
                      body, "</li>\n");
}

// The story, block by block.
class Story {
 public:
  Story(const ReportRequest& request, const Transcript& transcript)
      : transcript_(transcript), answer_(AnswerBlock(transcript)) {
    if (!request.images.empty()) {
      beside_ = absl::StrCat("input-", request.images.size() - 1);
    }
  }

  std::string Render() {
    const auto& blocks = transcript_.blocks();
    std::string html;
    for (size_t i = 0; i < blocks.size(); ++i) {
      if (const auto* text = std::get_if<TextBlock>(&blocks[i])) {
        if (!IsBlank(*text)) html += TextStep(*text, i);
      } else {
        html += MapStep(std::get<MapBlock>(blocks[i]), i);
      }
    }
    const auto& finished = transcript_.finished();
    if (answer_ == kNoBlock && finished.has_value() &&
        finished->reason() == v1::FINISH_REASON_ANSWERED &&
        !transcript_.Answer().empty()) {
      html += AnswerStep(transcript_, transcript_.Answer());
    }
    return html;
  }

 private:
  std::string TextStep(const TextBlock& block, size_t index) {
    if (index == answer_) return AnswerStep(transcript_, block.text);
    switch (block.channel) {
      case v1::TEXT_CHANNEL_THINK:
        return Step("think", seen_map_ ? "Reflects" : "Thinks",
                    Prose("prose", block.text));
      case v1::TEXT_CHANNEL_PERCEPTION_REQUEST:
        return Step("ask", absl::StrCat("Asks for ", NextMap(index)),
                    Prose("prose quote", block.text));
      case v1::TEXT_CHANNEL_ANSWER:
        return Step("plain", "Answers at first", Prose("prose", block.text));
      default:
        return Step("plain", "Writes", Prose("prose", block.text));
    }
  }

  std::string MapStep(const MapBlock& map, size_t index) {
    seen_map_ = true;
    std::string body;
    // The server's own words where the model did not ask.
    if (!AskedBefore(index) && !map.started.request_text().empty()) {
      body = Prose("prose quote", map.started.request_text());
    }
    // The image that an edit started from is shown beside the result, too.
    body += MapFigure(map, beside_);
    const v1::MapStarted& started = map.started;
    std::string title = absl::StrCat("Generates a ", MapNoun(started.kind()));
    if (started.width() > 0) {
      absl::StrAppend(&title, " <small>", started.width(), " &#215; ",
                      started.height(), " px, ", started.num_steps(),
                      started.num_steps() == 1 ? " step" : " steps",
                      "</small>");
    }
    return Step("draw", title, body);
  }

  bool AskedBefore(size_t index) const {
    while (index-- > 0) {
      const auto* text = std::get_if<TextBlock>(&transcript_.blocks()[index]);
      if (text == nullptr) return false;
      if (IsBlank(*text)) continue;
      return text->channel == v1::TEXT_CHANNEL_PERCEPTION_REQUEST;
    }
    return false;
  }

  std::string NextMap(size_t index) const {
    const auto& blocks = transcript_.blocks();
    for (; index < blocks.size(); ++index) {
      if (const auto* map = std::get_if<MapBlock>(&blocks[index])) {
        return absl::StrCat("a ", MapNoun(map->started.kind()));
      }
    }
    return "a map";
  }

  const Transcript& transcript_;
  const size_t answer_;
  std::string beside_;
  bool seen_map_ = false;
};

std::string Title(const ReportRequest& request) {
  const std::string of =
      request.images.empty() ? "" : " of " + request.images[0].name;
  if (request.command == "depth") return "Depth map" + of;
  if (request.command == "segment") return "Segmentation" + of;
  return request.text;
}

std::string Header(const ReportRequest& request, const Transcript& transcript) {
  const std::string title = Title(request);
  std::string meta;
  if (transcript.started().has_value()) {
    absl::StrAppend(&meta, "<span>", EscapeHtml(transcript.started()->model()),
                    "</span>");
  }
  if (transcript.finished().has_value()) {
    const v1::Usage& usage = transcript.finished()->usage();
    absl::StrAppend(&meta, "<span>",
                    EscapeHtml(HumanMilliseconds(usage.total_ms())), "</span>");
    if (usage.maps() > 0) {
      absl::StrAppend(&meta, "<span>", usage.maps(),
                      usage.maps() == 1 ? " map" : " maps", "</span>");
    }
  }
  return absl::StrCat("<header><p class=\"brand\"><b>COOPER</b>", meta,
                      "</p>\n<h1",
                      title.size() > kLongTitle ? " class=\"long\"" : "",
                      " dir=\"auto\">", EscapeHtml(title), "</h1></header>\n");
}

std::string Inputs(const ReportRequest& request) {
  if (request.images.empty()) return "";
  std::string html = absl::StrCat("<section class=\"inputs",
                                  request.images.size() == 1 ? " single" : "",
                                  "\" aria-label=\"Images of the question\">");
  for (size_t i = 0; i < request.images.size(); ++i) {
    const auto& image = request.images[i];
    const std::string name = EscapeHtml(image.name);
    absl::StrAppend(&html, "<figure><img class=\"shot\" id=\"input-", i,
                    "\" src=\"", ImageUrl(image.bytes), "\" alt=\"Image ",
                    i + 1, " of the question: ", name, "\"><figcaption>", name,
                    "</figcaption></figure>\n");
  }
  return html + "</section>\n";
}

std::string Ending(const Transcript& transcript, const absl::Status& outcome) {
  if (!outcome.ok()) {
    const Error error = Error::FromStatus(outcome);
    std::string body =
        absl::StrCat("<p>", EscapeHtml(error.message), "</p><p class=\"note\">",
                     EscapeHtml(absl::StatusCodeToString(error.code)),
                     error.reason.empty() ? "" : " &#183; ",
                     EscapeHtml(error.reason), "</p>");
    for (const auto& violation : error.violations) {
      absl::StrAppend(&body, "<p><code>", EscapeHtml(violation.field),
                      "</code> ", EscapeHtml(violation.description), "</p>");
    }
    return Step("failed", "Ended early", body);
  }
  if (!transcript.finished().has_value()) return "";
  switch (transcript.finished()->reason()) {
    case v1::FINISH_REASON_MAX_TURNS:
      return Step("failed", "No answer",
                  "<p>The last turn that was allowed ended without one.</p>");
    case v1::FINISH_REASON_MAX_TOKENS:
      return Step("failed", "No answer",
                  "<p>A text reached its limit of tokens.</p>");
    case v1::FINISH_REASON_NO_REQUEST:
      return Step("failed", "No answer",
                  "<p>The model neither answered nor asked for a map.</p>");
    default:
      return "";
  }
}

// As one word of a shell.
std::string ShellQuoted(absl::string_view text) {
  const bool plain =
      !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
               absl::StrContains("._,+-", c);
      });
  if (plain) return std::string(text);
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

// The command that asks again with the same seed, beside the report, as HTML;
// lines break only between its words.
std::string CommandLine(const ReportRequest& request,
                        const Transcript& transcript) {
  std::string html = "cooper " + request.command;
  const auto word = [&html](absl::string_view text) {
    absl::StrAppend(&html, " <span>", EscapeHtml(text), "</span>");
  };
  const std::string question = ShellQuoted(request.text);
  if (request.command == "generate") word(question);
  for (const auto& image : request.images) word(image.file);
  if (request.command == "ask") word(question);
  for (const Fact& fact : request.options) {
    if (fact.name == "seed" || fact.name == "request_id") continue;
    word(absl::StrCat("--", fact.name, "=", ShellQuoted(fact.value)));
  }
  if (transcript.started().has_value()) {
    word(absl::StrCat("--seed=", transcript.started()->seed()));
  }
  if (!request.server.empty()) {
    word(absl::StrCat("--server=", ShellQuoted(request.server)));
  }
  return html;
}

std::string Facts(const ReportRequest& request, const Transcript& transcript) {
  std::string rows;
  const auto row = [&rows](absl::string_view name, absl::string_view value) {
    absl::StrAppend(&rows, "<div><dt>", EscapeHtml(name), "</dt><dd>",
                    EscapeHtml(value), "</dd></div>");
  };
  if (transcript.started().has_value()) {
    const v1::Started& started = *transcript.started();
    row("model", started.model());
    row("seed", absl::StrCat(started.seed()));
    row("request_id", started.request_id());
  }
  for (const Fact& fact : request.options) {
    const bool told = fact.name == "model" || fact.name == "seed" ||
                      fact.name == "request_id";
    if (!told || !transcript.started().has_value()) row(fact.name, fact.value);
  }
  return absl::StrCat(
      "<section class=\"facts\"><h2>The request</h2>\n<dl>", rows,
      "</dl>\n<p class=\"note\">What is not listed was left to the server. To "
      "ask again, in this folder:</p>\n<pre><code>",
      CommandLine(request, transcript), "</code></pre></section>\n");
}

}  // namespace

std::string RenderReport(const ReportRequest& request,
                         const Transcript& transcript,
                         const absl::Status& outcome) {
  std::string html = absl::StrCat(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
      "'none'; img-src data:; style-src 'unsafe-inline'; script-src "
      "'unsafe-inline'\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
      EscapeHtml(Title(request)), " &#183; COOPER</title>\n<style>\n",
      kReportCss, "</style></head>\n<body><main>\n");
  html += Header(request, transcript);
  html += Inputs(request);
  absl::StrAppend(&html, "<ol class=\"story\">\n",
                  Story(request, transcript).Render(),
                  Ending(transcript, outcome), "</ol>\n");
  if (transcript.finished().has_value()) {
    html += UsageSection(transcript.finished()->usage());
  }
  html += Facts(request, transcript);
  absl::StrAppend(&html, "</main>\n<script>\n", kReportJs,
                  "</script></body></html>\n");
  return html;
}

}  // namespace cooper::client
