// Runs the real program against a fake server.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/str_split.h"
#include "tests/client/events.h"
#include "tests/client/fake_server.h"

extern char** environ;

namespace cooper::client {
namespace {

using ::testing::AllOf;
using ::testing::Conditional;
using ::testing::HasSubstr;
using ::testing::Not;
using Health = grpc::health::v1::HealthCheckResponse;

// A process that runs the tool, with its output on pipes.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), COOPER_TOOL);
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int out[2], err[2];
    EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(err, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
    EXPECT_EQ(posix_spawn(&pid_, COOPER_TOOL, &actions, nullptr, argv.data(),
                          environ),
              0);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    close(err[1]);
    out_ = out[0];
    err_ = err[0];
    // Both pipes are read at once, so that neither fills up.
    err_reader_ = std::thread([this] { ReadUntil(err_, "", &err_text_); });
  }

  ~Process() {
    close(out_);
    close(err_);
  }

  // Waits until `text` was written to standard output.
  void WaitForOutput(const std::string& text) {
    ReadUntil(out_, text, &out_text_);
  }
  void Signal(int number) { kill(pid_, number); }

  // Waits for the end; the exit code, or minus the signal that killed it.
  int Wait() {
    ReadUntil(out_, "", &out_text_);
    err_reader_.join();
    int status = 0;
    waitpid(pid_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  const std::string& out() const { return out_text_; }
  const std::string& err() const { return err_text_; }

 private:
  // To the end if `text` is empty.
  static void ReadUntil(int file, const std::string& text,
                        std::string* content) {
    char buffer[4096];
    while (text.empty() || content->find(text) == std::string::npos) {
      const ssize_t count = read(file, buffer, sizeof(buffer));
      if (count <= 0) return;
      content->append(buffer, static_cast<size_t>(count));
    }
  }

  pid_t pid_ = 0;
  int out_ = -1;
  int err_ = -1;
  std::thread err_reader_;
  std::string out_text_;
  std::string err_text_;
};

std::string Read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

class ToolTest : public ::testing::Test {
 protected:
  ToolTest()
      : folder_(
            ::testing::TempDir() + "/tool_test_" +
            ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    image_ = folder_ / "scene.png";
    std::ofstream(image_, std::ios::binary) << kTinyPng;
  }

  // Runs the tool to its end; `err` and `out` of it are in out_ and err_.
  int Run(std::vector<std::string> arguments) {
    arguments.push_back("--server=" + server_.target());
    Process process(std::move(arguments));
    const int code = process.Wait();
    out_ = process.out();
    err_ = process.err();
    return code;
  }

  FakeServer server_;
  const std::filesystem::path folder_;
  std::filesystem::path image_;
  std::string out_;
  std::string err_;
};

TEST_F(ToolTest, AskStreamsTextToStandardOutputAndNoticesToStandardError) {
  server_.SetScript({WholeStory()});
  EXPECT_EQ(Run({"ask", image_, "What is near?", "--seed=42"}), 0) << err_;
  EXPECT_EQ(out_,
            "Which one is near?\nEstimate the depth.\n"
            "The box is near. And what else?\nSegment it.\n"
            "The box. \\boxed{box}\n");
  EXPECT_THAT(err_, AllOf(HasSubstr("generating a depth map, 4x2, 2 steps\n"),
                          HasSubstr("done in 2.0 s, 34 tokens, 2 maps\n"),
                          Not(HasSubstr("\x1b")), Not(HasSubstr("\r"))));
  const auto request = server_.reason();
  ASSERT_EQ(request.inputs_size(), 2);
  EXPECT_EQ(request.inputs(0).image(), kTinyPng);
  EXPECT_EQ(request.inputs(1).text(), "What is near?");
  EXPECT_EQ(request.seed(), 42u);
  EXPECT_FALSE(request.has_flow());
}

TEST_F(ToolTest, AnAnswerWithinAThoughtIsShownAtTheEnd) {
  Event finished = FinishedEvent("<think>near<answer>The box.</answer>");
  finished.mutable_finished()->set_answer_text("The box.");
  const Event thought =
      TextEvent(0, v1::TEXT_CHANNEL_THINK, "near<answer>The box.</answer>");
  server_.SetScript({{StartedEvent(), thought, finished}});
  EXPECT_EQ(Run({"ask", image_, "What?", "--out", folder_ / "kept"}), 0)
      << err_;
  EXPECT_EQ(out_, "near<answer>The box.</answer>\nThe box.\n");
  EXPECT_EQ(Read(folder_ / "kept" / "answer.txt"), "The box.\n");
}

TEST_F(ToolTest, JsonGivesEachEventAsItCameOneALine) {
  server_.SetScript({WholeStory()});
  EXPECT_EQ(Run({"ask", image_, "What is near?", "--json"}), 0) << err_;
  std::vector<std::string> lines = absl::StrSplit(out_, '\n');
  ASSERT_EQ(lines.back(), "");
  lines.pop_back();
  const std::vector<Event> story = WholeStory();
  ASSERT_EQ(lines.size(), story.size());
  for (size_t i = 0; i < story.size(); ++i) {
    Event event;
    ASSERT_TRUE(
        google::protobuf::util::JsonStringToMessage(lines[i], &event).ok())
        << lines[i];
    EXPECT_EQ(event.SerializeAsString(), story[i].SerializeAsString());
  }
  EXPECT_THAT(lines[1], HasSubstr("\"text_delta\""));  // not textDelta
}

TEST_F(ToolTest, OutKeepsEverything) {
  server_.SetScript({WholeStory()});
  const auto out = folder_ / "kept";
  EXPECT_EQ(Run({"ask", image_, "What is near?", "--out", out}), 0) << err_;
  EXPECT_EQ(Read(out / "map0-depth-values.png"), kTinyPng);
  EXPECT_EQ(Read(out / "map0-depth-display.png"), kTinyPng);
  EXPECT_EQ(Read(out / "map0-preview-001.png"), kTinyPng);
  EXPECT_EQ(Read(out / "map1-segmentation-display.png"), kTinyPng);
  EXPECT_EQ(Read(out / "input0.png"), kTinyPng);
  EXPECT_EQ(Read(out / "answer.txt"), "The box. \\boxed{box}\n");
  const std::vector<std::string> lines =
      absl::StrSplit(Read(out / "events.jsonl"), '\n');
  EXPECT_EQ(lines.size(), WholeStory().size() + 1);
  EXPECT_THAT(Read(out / "report.html"),
              AllOf(HasSubstr("What is near?"), HasSubstr("</html>")));
}

TEST_F(ToolTest, DepthAndSegmentSendTheImageAndListRegions) {
  server_.SetScript(
      {{StartedEvent(), MapStartedEvent(0, v1::MAP_KIND_SEGMENTATION),
        WholeStory()[15], FinishedEvent("")}});
  EXPECT_EQ(Run({"depth", image_, "--num_timesteps=5"}), 0) << err_;
  EXPECT_EQ(server_.estimate_depth().image(), kTinyPng);
  EXPECT_EQ(server_.estimate_depth().flow().num_timesteps(), 5);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(Run({"segment", image_}), 0) << err_;
  EXPECT_EQ(server_.segment().image(), kTinyPng);
  EXPECT_EQ(out_, "#00ff7f  75.0 %        6 px  x 0..3  y 0..2\n");
}

TEST_F(ToolTest, GenerateSendsImagesBeforeTheText) {
  server_.SetScript({{StartedEvent(), FinishedEvent("")}});
  EXPECT_EQ(Run({"generate", "a red house", image_, "--think"}), 0) << err_;
  const auto request = server_.generate_image();
  ASSERT_EQ(request.inputs_size(), 2);
  EXPECT_EQ(request.inputs(0).image(), kTinyPng);
  EXPECT_EQ(request.inputs(1).text(), "a red house");
  EXPECT_TRUE(request.think());
}

TEST_F(ToolTest, InfoTellsTheModel) {
  v1::GetModelResponse model;
  model.set_name("demo");
  model.set_parameters(14'700'000'000);
  model.add_modes(v1::MODE_TEXT_ONLY);
  model.mutable_limits()->set_max_images(8);
  model.set_instruction_set("avx2");
  model.set_threads(4);
  v1::WeightFile* file = model.add_files();
  file->set_path("/m/ema.safetensors");
  file->set_tensors(167);
  server_.SetModel(model);
  EXPECT_EQ(Run({"info"}), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("demo"), HasSubstr("14.7 B"),
                          HasSubstr("text_only"), HasSubstr("max_images"),
                          HasSubstr("avx2, 4 threads"),
                          HasSubstr("/m/ema.safetensors, 167 tensors")));
  EXPECT_EQ(Run({"info", "--json"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("{\"name\":\"demo\""));
}

TEST_F(ToolTest, SaysWhatTheCheckpointWasNotTrainedFor) {
  v1::GetModelResponse model;
  model.set_name("demo");
  for (const bool trained : {true, false}) {
    model.set_can_converse(trained);
    model.set_can_generate_images(trained);
    server_.SetModel(model);
    server_.SetScript({{StartedEvent(), FinishedEvent("")}});
    const auto note = HasSubstr("note: demo was not trained");
    EXPECT_EQ(Run({"generate", "a red house"}), 0) << err_;
    EXPECT_THAT(err_, Conditional(trained, Not(note), note));
    EXPECT_EQ(Run({"chat", image_}), 0) << err_;
    EXPECT_THAT(err_, Conditional(trained, Not(note), note));
    EXPECT_EQ(Run({"info"}), 0) << err_;
    EXPECT_THAT(out_, HasSubstr(trained ? "chat         yes"
                                        : "chat         no, not trained"));
    EXPECT_EQ(Run({"depth", image_}), 0) << err_;
    EXPECT_THAT(err_, Not(note));
  }
}

TEST_F(ToolTest, HealthIsZeroOnlyWhenServing) {
  server_.SetHealth("", Health::SERVING);
  server_.SetHealth("readiness", Health::NOT_SERVING);
  EXPECT_EQ(Run({"health"}), 0) << err_;
  EXPECT_EQ(out_, "SERVING\n");
  EXPECT_EQ(Run({"health", "--service=readiness"}), 3);
  EXPECT_EQ(out_, "NOT_SERVING\n");
  EXPECT_EQ(Run({"health", "--service=nonsense"}), 4);
}

TEST_F(ToolTest, UsageErrorsAreTwo) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {},
           {"dance"},
           {"ask"},
           {"ask", image_},  // no question
           {"ask", "/nonexistent.png", "why?"},
           {"ask", "why?", "--mode=fast"},
           {"ask", "why?", "--nosuchflag"},
           {"ask", "why?", "--deadline=-1s"},
           {"ask", "why?", "--width=3"},  // of another command
           {"ask", "why?\xFF"},
           {"ask", "why?", "--tls_cert=x"},
           {"ask", "why?", "--tls_ca=/nonexistent.pem"},
           {"ask", "why?", "--out", image_},  // a file
           {"depth"},
           {"depth", image_, image_},
           {"generate"},
           {"info", "x"},
           {"health", "x"}}) {
    EXPECT_EQ(Run(arguments), 2) << ::testing::PrintToString(arguments);
    EXPECT_THAT(err_, HasSubstr("cooper")) << err_;
  }
}

TEST_F(ToolTest, HelpIsAnAnswer) {
  EXPECT_EQ(Run({"--help"}), 0);
  EXPECT_THAT(out_, HasSubstr("cooper ask IMAGE... \"QUESTION\""));
  EXPECT_EQ(Run({"ask", "--help"}), 0);
  EXPECT_THAT(out_, HasSubstr("--num_timesteps"));
}

TEST_F(ToolTest, AnUnreachableServerIsThree) {
  Process process({"ask", "why?", "--server=unix:/nonexistent/socket"});
  EXPECT_EQ(process.Wait(), 3);
  EXPECT_THAT(process.err(), HasSubstr("/nonexistent/socket"));
}

TEST_F(ToolTest, ADrainingServerIsThreeAndSaysToTryAgain) {
  server_.SetScript(
      {{},
       DetailedStatus(grpc::StatusCode::UNAVAILABLE, "draining", "DRAINING")});
  EXPECT_EQ(Run({"ask", "why?"}), 3);
  EXPECT_THAT(err_, AllOf(HasSubstr("DRAINING"), HasSubstr("try again")));
}

TEST_F(ToolTest, ARefusedRequestIsFourAndTellsFieldReasonAndRetry) {
  server_.SetScript(
      {{},
       DetailedStatus(grpc::StatusCode::INVALID_ARGUMENT, "truncated PNG",
                      "INVALID_IMAGE", "inputs[0].image")});
  EXPECT_EQ(Run({"ask", image_, "why?", "--out", folder_ / "refused"}), 4);
  EXPECT_THAT(err_, AllOf(HasSubstr("cooper: truncated PNG"),
                          HasSubstr("inputs[0].image"),
                          HasSubstr("INVALID_ARGUMENT, INVALID_IMAGE")));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "refused" / "report.html"));
  server_.SetScript({{},
                     DetailedStatus(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                    "queue is full", "QUEUE_FULL", "", 1500)});
  EXPECT_EQ(Run({"ask", "why?"}), 4);
  EXPECT_THAT(err_, HasSubstr("try again in 1.5 s"));
}

TEST_F(ToolTest, AFailureMidwayIsFiveAndTheReportShowsWhatCame) {
  server_.SetScript(
      {{StartedEvent(), TextEvent(0, v1::TEXT_CHANNEL_THINK, "Let me see")},
       DetailedStatus(grpc::StatusCode::INTERNAL, "device lost", "ENGINE")});
  EXPECT_EQ(Run({"ask", "why?", "--out", folder_ / "failed"}), 5);
  EXPECT_EQ(out_, "Let me see\n");
  EXPECT_THAT(err_, HasSubstr("device lost"));
  EXPECT_THAT(Read(folder_ / "failed" / "report.html"),
              AllOf(HasSubstr("Let me see"), HasSubstr("device lost")));
}

TEST_F(ToolTest, EndingWithoutAnAnswerIsFive) {
  server_.SetScript({{StartedEvent(),
                      FinishedEvent("hm", "", v1::FINISH_REASON_NO_REQUEST)}});
  EXPECT_EQ(Run({"ask", "why?"}), 5);
  EXPECT_THAT(err_, HasSubstr("no answer"));
}

TEST_F(ToolTest, MapsThatDoNotJoinAreFive) {
  server_.SetScript({{StartedEvent(),
                      MapEvent(0, v1::MAP_KIND_DEPTH, v1::MAP_ROLE_VALUES,
                               v1::MAP_ENCODING_RAW_FLOAT32, "ab", 2, 4),
                      FinishedEvent("")}});
  EXPECT_EQ(Run({"ask", "why?"}), 5);
  EXPECT_THAT(err_, HasSubstr("byte 2 where byte 0 comes next"));
}

TEST_F(ToolTest, ADeadlineThatPassesIsFive) {
  server_.SetScript({{StartedEvent()}, grpc::Status::OK, /*hang=*/true});
  EXPECT_EQ(Run({"ask", "why?", "--deadline=100ms"}), 5);
  EXPECT_THAT(err_, HasSubstr("DEADLINE_EXCEEDED"));
}

TEST_F(ToolTest, AnInterruptCancelsTheCallAndIs130) {
  server_.SetScript(
      {{StartedEvent(), TextEvent(0, v1::TEXT_CHANNEL_THINK, "Hm")},
       grpc::Status::OK,
       /*hang=*/true});
  Process process({"ask", "why?", "--server=" + server_.target(), "--out",
                   folder_ / "interrupted"});
  process.WaitForOutput("Hm");
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 130);
  EXPECT_EQ(process.out(), "Hm\n");
  EXPECT_THAT(process.err(), HasSubstr("cancelled"));
  server_.WaitForCancel();
  EXPECT_THAT(Read(folder_ / "interrupted" / "report.html"), HasSubstr("Hm"));
}

}  // namespace
}  // namespace cooper::client
