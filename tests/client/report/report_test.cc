#include "client/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "client/report/report_assets.h"
#include "tests/client/events.h"

namespace cooper::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ReportRequest Question() {
  ReportRequest request;
  request.command = "ask";
  request.text = "What is near?";
  request.images.push_back({"scene.png", "input0.png", kTinyPng});
  request.options = {{"num_timesteps", "20"}};
  return request;
}

std::string Render(const ReportRequest& request,
                   const std::vector<Event>& events,
                   const absl::Status& outcome = absl::OkStatus()) {
  Transcript transcript;
  for (const Event& event : events) transcript.Add(event);
  return RenderReport(request, transcript, outcome);
}

// The story's maps are joined by hand: parts are the client library's affair.
std::vector<Event> Story() {
  std::vector<Event> events = WholeStory();
  *events[8].mutable_map()->mutable_data() = kTinyPng;
  events.erase(events.begin() + 9);
  return events;
}

// The page without what is the same in every report.
std::string WithoutAssets(std::string html) {
  for (const char* asset : {kReportCss, kReportJs}) {
    const size_t at = html.find(asset);
    EXPECT_NE(at, std::string::npos);
    html.erase(at, std::string(asset).size());
  }
  return html;
}

TEST(ReportTest, TellsTheStoryInOrder) {
  const std::string html = WithoutAssets(Render(Question(), Story()));
  size_t at = 0;
  for (const char* piece :
       {"<h1",
        "What is near?",
        "alt=\"Image 1 of the question: scene.png\"",
        "Thinks",
        "Which one is near?",
        "Asks for a depth map",
        "Estimate the depth.",
        "Generates a depth map",
        "alt=\"The depth map that the model drew, 4 by 2 pixels\"",
        ">near<",
        ">far<",
        "class=\"values\"",
        "alt=\"After step 1\"",
        "Reflects",
        "The box is near. And what else?",
        "Asks for a segmentation",
        "Segment it.",
        "Generates a segmentation",
        "class=\"regions\"",
        "class=\"verdict\" dir=\"auto\">box<",
        "The box. ",
        "Where the 2.0 s went",
        "num_timesteps"}) {
    const size_t next = html.find(piece, at);
    ASSERT_NE(next, std::string::npos) << piece << " after " << html.substr(at);
    at = next;
  }
}

TEST(ReportTest, LoadsNothingFromOutside) {
  const std::string html = Render(Question(), Story());
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  EXPECT_THAT(html, Not(HasSubstr("http:")));
  EXPECT_THAT(html, Not(HasSubstr("https:")));
  EXPECT_THAT(html, Not(HasSubstr("@import")));
  EXPECT_THAT(html, Not(HasSubstr("url(")));
  const std::string page = WithoutAssets(html);
  const std::regex source("(src|href)=\"([^\"]{0,10})");
  int sources = 0;
  for (auto match = std::sregex_iterator(page.begin(), page.end(), source);
       match != std::sregex_iterator(); ++match, ++sources) {
    EXPECT_EQ((*match)[2].str(), "data:image") << match->str();
  }
  EXPECT_EQ(sources, 4);  // input, depth, its preview, segmentation
}

TEST(ReportTest, TextOfOthersNeverBecomesMarkup) {
  const std::string evil = "</div><script>alert('x')</script>\" onload=\"y";
  ReportRequest request = Question();
  request.text = evil;
  request.images[0].name = evil;
  request.options = {{"request_id", evil}, {"model", evil}};
  Event started = StartedEvent();
  started.mutable_started()->set_model(evil);
  started.mutable_started()->set_request_id(evil);
  Event map_started = MapStartedEvent(0, v1::MAP_KIND_DEPTH);
  map_started.mutable_map_started()->set_request_text(evil);
  std::vector<Event> events = {started, map_started};
  for (int channel = 1; channel <= 4; ++channel) {
    events.push_back(
        TextEvent(channel, static_cast<v1::TextChannel>(channel), evil));
  }
  for (const auto& outcome : {absl::OkStatus(), absl::InternalError(evil)}) {
    std::vector<Event> all = events;
    if (outcome.ok()) all.push_back(FinishedEvent(evil, evil));
    const std::string html = WithoutAssets(Render(request, all, outcome));
    EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
    EXPECT_THAT(html, Not(HasSubstr("\" onload")));
    EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)"));
  }
}

TEST(ReportTest, RegionsHaveSwatchShareAndBox) {
  const std::string html = Render(Question(), Story());
  EXPECT_THAT(html, HasSubstr("style=\"background:#00ff7f\""));
  EXPECT_THAT(html, HasSubstr("<b>75.0&#8239;%</b>"));  // 6 of 8 px
  EXPECT_THAT(html, HasSubstr("<rect x=\"0\" y=\"0\" width=\"3\""));
}

TEST(ReportTest, ALongListOfRegionsIsCut) {
  Event map = MapEvent(0, v1::MAP_KIND_SEGMENTATION, v1::MAP_ROLE_VALUES,
                       v1::MAP_ENCODING_PNG_RGB8, kTinyPng);
  for (int i = 0; i < 40; ++i) map.mutable_map()->add_regions()->set_area(1);
  const std::string html =
      Render(Question(), {MapStartedEvent(0, v1::MAP_KIND_SEGMENTATION), map});
  EXPECT_THAT(html, HasSubstr("and 24 smaller ones"));
}

TEST(ReportTest, SmallPicturesStayCrispAndLargeOnesSmooth) {
  EXPECT_THAT(WithoutAssets(Render(Question(), Story())),
              HasSubstr("class=\"shot crisp\""));
  std::vector<Event> events = Story();
  for (Event& event : events) {
    if (event.has_map_started()) event.mutable_map_started()->set_width(1024);
  }
  EXPECT_THAT(WithoutAssets(Render(Question(), events)),
              Not(HasSubstr("crisp")));
}

TEST(ReportTest, AnUnfinishedMapShowsItsLastPreviewAndTheError) {
  const std::string html =
      Render(Question(),
             {StartedEvent(), MapStartedEvent(0, v1::MAP_KIND_DEPTH, 19),
              ProgressEvent(0, 7, 19, kTinyPng)},
             absl::UnavailableError("draining"));
  EXPECT_THAT(html, HasSubstr("Unfinished depth map after step 7 of 19"));
  EXPECT_THAT(html, HasSubstr("Ended early"));
  EXPECT_THAT(html, HasSubstr("draining"));
  EXPECT_THAT(html, HasSubstr("UNAVAILABLE"));
  EXPECT_THAT(WithoutAssets(html), Not(HasSubstr("Where the")));
}

TEST(ReportTest, SaysWhyThereIsNoAnswer) {
  EXPECT_THAT(Render(Question(),
                     {FinishedEvent("...", "", v1::FINISH_REASON_MAX_TOKENS)}),
              HasSubstr("reached its limit of tokens"));
}

TEST(ReportTest, AnAnswerWithoutTagsIsAnAnswer) {
  const std::string html =
      Render(Question(), {TextEvent(0, v1::TEXT_CHANNEL_PLAIN, "Two boxes."),
                          FinishedEvent("Two boxes.")});
  EXPECT_THAT(html, HasSubstr("id=\"answer\""));
  EXPECT_THAT(WithoutAssets(html), Not(HasSubstr("class=\"verdict\"")));
}

TEST(ReportTest, AnAnswerWithinAThoughtIsAnAnswer) {
  Event finished = FinishedEvent("<think>near<answer>The box.</answer>");
  finished.mutable_finished()->set_answer_text("The box.");
  const std::string html = Render(
      Question(),
      {TextEvent(0, v1::TEXT_CHANNEL_THINK, "near<answer>The box.</answer>"),
       finished});
  EXPECT_THAT(html, HasSubstr("<div class=\"said\" dir=\"auto\">The box.<"));
}

TEST(ReportTest, TheCommandAsksAgainWithTheSameSeed) {
  ReportRequest request = Question();
  request.text = "What's near?";
  request.options = {{"seed", "1"}, {"mode", "text_only"}};
  EXPECT_THAT(Render(request, {StartedEvent(/*seed=*/1)}),
              HasSubstr("cooper ask <span>input0.png</span> "
                        "<span>&#39;What&#39;\\&#39;&#39;s near?&#39;</span> "
                        "<span>--mode=text_only</span> "
                        "<span>--seed=1</span><"));
}

TEST(ReportTest, AMapAloneIsTitledByItsImage) {
  ReportRequest request = Question();
  request.command = "depth";
  request.text = "";
  EXPECT_THAT(Render(request, {FinishedEvent("")}),
              HasSubstr(">Depth map of scene.png</h1>"));
}

}  // namespace
}  // namespace cooper::client
