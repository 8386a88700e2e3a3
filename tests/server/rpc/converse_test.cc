// Converse over real sockets with a fake model: turns on one context, what a
// caller can ask of the turn under way, and how conversations end.
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "server/rpc/session_id.h"
#include "tests/server/test_server.h"

namespace cooper::rpc {
namespace {

using cooper::testing::ErrorInfoOf;
using cooper::testing::ExpectIdentity;
using cooper::testing::Question;
using cooper::testing::Scrape;
using cooper::testing::TestServer;
using Call = fake::FakeModel::Call;
using Response = v1::Event;

v1::ConverseRequest Start(const std::string& text,
                          const std::string& session_id = "") {
  v1::ConverseRequest request;
  *request.mutable_start()->mutable_reason() = Question(text);
  request.mutable_start()->mutable_reason()->set_seed(10);
  request.mutable_start()->mutable_reason()->mutable_flow()->set_num_timesteps(
      4);
  request.mutable_start()->set_session_id(session_id);
  return request;
}

v1::ConverseRequest AskMore(const std::string& text) {
  v1::ConverseRequest request;
  request.mutable_ask()->add_inputs()->set_text(text);
  return request;
}

v1::ConverseRequest Cancel() {
  v1::ConverseRequest request;
  request.mutable_cancel();
  return request;
}

// One call of a client with a connection of its own.
class Talk {
 public:
  explicit Talk(TestServer* server)
      : stub_(server->NewStub()), stream_(stub_->Converse(&context)) {}
  ~Talk() { context.TryCancel(); }

  bool Send(const v1::ConverseRequest& request) {
    return stream_->Write(request);
  }
  void Close() { stream_->WritesDone(); }
  // The events of a turn; shorter where the call ends.
  std::vector<Response> Turn() {
    std::vector<Response> events;
    Response event;
    while (stream_->Read(&event)) {
      events.push_back(event);
      if (event.has_session()) session_id = event.session().session_id();
      if (event.has_finished() || event.has_turn_cancelled()) break;
    }
    return events;
  }
  bool AwaitText() {
    Response event;
    while (stream_->Read(&event)) {
      if (event.has_text_delta()) return true;
    }
    return false;
  }
  grpc::Status End() {
    Response event;
    while (stream_->Read(&event)) continue;
    return stream_->Finish();
  }

  grpc::ClientContext context;
  std::string session_id;

 private:
  const std::unique_ptr<v1::SpatialReasoningService::Stub> stub_;
  const std::unique_ptr<
      grpc::ClientReaderWriter<v1::ConverseRequest, v1::Event>>
      stream_;
};

// Endless until it is told to answer.
TestServer::Options Talkative() {
  TestServer::Options options;
  options.script.texts = {"<think>" + std::string(800, 'a')};
  options.script.delays.decode = absl::Milliseconds(1);
  return options;
}

TEST(ConverseTest, FollowUpsGoOnWithTheContext) {
  TestServer server(cooper::testing::WithMaps());
  Talk talk(&server);
  ASSERT_TRUE(talk.Send(Start("How far?")));
  const auto first = talk.Turn();
  ASSERT_GE(first.size(), 4U);
  EXPECT_EQ(first[0].started().seed(), 10U);
  EXPECT_EQ(first[1].session().session_id().size(), 32U);
  EXPECT_EQ(first[1].session().expires_after_s(), 600);
  EXPECT_GT(first[first.size() - 2].session().kv_bytes(), 0);
  const v1::Usage before = first.back().finished().usage();
  EXPECT_EQ(before.cached_tokens(), 0);

  ASSERT_TRUE(talk.Send(AskMore("And now?")));
  const auto second = talk.Turn();
  EXPECT_EQ(second[0].started().seed(), 11U);
  const v1::Usage after = second.back().finished().usage();
  // bos, eight bytes, eos.
  EXPECT_EQ(after.input_tokens() - after.cached_tokens(), 10);
  EXPECT_GT(after.cached_tokens(), before.input_tokens());

  talk.Close();
  EXPECT_TRUE(talk.End().ok());
  const Scrape scrape = server.CollectAtRest();
  EXPECT_EQ(scrape.Sum("cooper_requests_total",
                       {{"method", "Converse"}, {"code", "OK"}}),
            1);
  EXPECT_EQ(scrape.Sum("cooper_sessions"), 1);
  ExpectIdentity(server);
}

TEST(ConverseTest, QuestionsSentAtOnceAreTurnsOneAfterAnother) {
  TestServer::Options options;
  options.engine.max_per_client = 1;
  TestServer server(options);
  Talk talk(&server);
  ASSERT_TRUE(talk.Send(Start("one")));
  // More than may wait: the rest is held by flow control.
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(talk.Send(AskMore("more")));
  talk.Close();
  for (int i = 0; i < 8; ++i) {
    const auto turn = talk.Turn();
    ASSERT_FALSE(turn.empty()) << i;
    EXPECT_TRUE(turn.back().has_finished()) << i;
    EXPECT_EQ(turn[0].started().seed(), 10U + i);
  }
  EXPECT_TRUE(talk.End().ok());
  ExpectIdentity(server);
}

TEST(ConverseTest, ACancelledTurnIsNotTheEnd) {
  TestServer server(Talkative());
  Talk talk(&server);
  ASSERT_TRUE(talk.Send(Start("one")));
  ASSERT_TRUE(talk.AwaitText());
  ASSERT_TRUE(talk.Send(Cancel()));
  EXPECT_TRUE(talk.Turn().back().has_turn_cancelled());
  // A cancel of nothing.
  ASSERT_TRUE(talk.Send(Cancel()));
  ASSERT_TRUE(talk.Send(AskMore("two")));
  v1::ConverseRequest answer;
  answer.mutable_answer_now();
  ASSERT_TRUE(talk.Send(answer));
  ASSERT_TRUE(talk.AwaitText());
  ASSERT_TRUE(talk.Send(Cancel()));
  EXPECT_TRUE(talk.Turn().back().has_turn_cancelled());
  talk.Close();
  EXPECT_TRUE(talk.End().ok());
  ExpectIdentity(server);
}

// The watchdog looks at a call only once all of it is constructed. What it
// would read before, ThreadSanitizer and UBSan report.
TEST(ConverseTest, CallsBeginWhileTheWatchdogLooks) {
  TestServer::Options options;
  options.rpc.watch_interval = absl::Milliseconds(1);
  TestServer server(options);
  const auto stub = server.NewStub();
  for (int i = 0; i < 200; ++i) {
    grpc::ClientContext context;
    const auto stream = stub->Converse(&context);
    stream->WritesDone();
    EXPECT_EQ(stream->Finish().error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
  }
}

// CancelTurn ends the turn and not the session, whenever it comes.
TEST(ConverseTest, ATurnCancelledBeforeItsInputsLeavesAnEmptyContext) {
  TestServer::Options options = Talkative();
  options.engine.max_running = 1;
  TestServer server(options);
  Talk other(&server);
  ASSERT_TRUE(other.Send(Start("endless")));
  ASSERT_TRUE(other.AwaitText());
  Talk talk(&server);
  ASSERT_TRUE(talk.Send(Start("one")));
  ASSERT_TRUE(talk.Send(Cancel()));
  EXPECT_TRUE(talk.Turn().back().has_turn_cancelled());
  const std::string session_id = talk.session_id;
  ASSERT_TRUE(other.Send(Cancel()));
  v1::ConverseRequest answer;
  answer.mutable_answer_now();
  for (int turn = 0; turn < 2; ++turn) {
    ASSERT_TRUE(talk.Send(AskMore("two")));
    ASSERT_TRUE(talk.AwaitText());
    ASSERT_TRUE(talk.Send(answer));
    ASSERT_TRUE(talk.Send(Cancel()));
    EXPECT_TRUE(talk.Turn().back().has_turn_cancelled()) << turn;
    EXPECT_EQ(talk.session_id, session_id);
  }
  talk.Close();
  EXPECT_TRUE(talk.End().ok());
}

TEST(ConverseTest, AnswerNowEndsTheThought) {
  TestServer server(Talkative());
  Talk talk(&server);
  ASSERT_TRUE(talk.Send(Start("one")));
  ASSERT_TRUE(talk.AwaitText());
  v1::ConverseRequest answer_now;
  answer_now.mutable_answer_now();
  ASSERT_TRUE(talk.Send(answer_now));
  talk.Close();
  size_t thought = 0;
  const auto turn = talk.Turn();
  for (const Response& event : turn) {
    if (event.has_text_delta() && event.text_delta().turn() == 0) {
      thought += event.text_delta().text().size();
    }
  }
  EXPECT_LT(thought, 700U);
  ASSERT_FALSE(turn.empty());
  EXPECT_EQ(turn.back().finished().answer().find("<answer>"), 0U);
  EXPECT_TRUE(talk.End().ok());
  ExpectIdentity(server);
}

TEST(ConverseTest, NoMoreMapsHoldsForLaterTurns) {
  TestServer::Options options = cooper::testing::WithMaps();
  options.script.scripts.clear();
  options.script.texts = {
      "<answer>first</answer>",
      "<think>I look.</think><depth-estimation>d</depth-estimation>",
      "<answer>second</answer>"};
  TestServer server(options);
  for (const bool maps : {true, false}) {
    Talk talk(&server);
    ASSERT_TRUE(talk.Send(Start("one")));
    EXPECT_TRUE(talk.Turn().back().has_finished());
    v1::ConverseRequest no_more_maps;
    no_more_maps.mutable_no_more_maps();
    if (!maps) {
      ASSERT_TRUE(talk.Send(no_more_maps));
    }
    ASSERT_TRUE(talk.Send(AskMore("two")));
    const auto turn = talk.Turn();
    ASSERT_FALSE(turn.empty());
    EXPECT_EQ(turn.back().finished().usage().maps(), maps ? 1 : 0);
    EXPECT_EQ(turn.back().finished().reason(), v1::FINISH_REASON_ANSWERED);
    talk.Close();
    EXPECT_TRUE(talk.End().ok());
  }
  ExpectIdentity(server);
}

TEST(ConverseTest, ASessionOutlivesItsCallAndBelongsToItsClient) {
  TestServer server;
  std::string id;
  {
    Talk talk(&server);
    ASSERT_TRUE(talk.Send(Start("one")));
    EXPECT_TRUE(talk.Turn().back().has_finished());
    id = talk.session_id;
  }  // gone, without a word
  server.CollectAtRest();
  Talk again(&server);
  ASSERT_TRUE(again.Send(Start("two", id)));
  const auto turn = again.Turn();
  ASSERT_FALSE(turn.empty());
  EXPECT_GT(turn.back().finished().usage().cached_tokens(), 0);
  EXPECT_EQ(again.session_id, id);

  Talk stranger(&server);
  ASSERT_TRUE(stranger.Send(Start("three", DrawSessionId())));
  const grpc::Status status = stranger.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ErrorInfoOf(status).reason(), "SESSION_NOT_FOUND");
  again.Close();
  EXPECT_TRUE(again.End().ok());
  ExpectIdentity(server);
}

TEST(ConverseTest, TheProtocolIsKept) {
  TestServer server;
  const struct {
    std::vector<v1::ConverseRequest> messages;
    std::string field;
  } kCases[] = {
      {{AskMore("q")}, "request"},
      {{v1::ConverseRequest()}, "request"},
      {{}, "start: required"},
      {{Start("q"), Start("q")}, "start"},
      {{Start(" ")}, "start.reason.inputs"},
      {{Start("q"), AskMore("")}, "ask.inputs"},
  };
  for (const auto& c : kCases) {
    Talk talk(&server);
    for (const auto& message : c.messages) talk.Send(message);
    talk.Close();
    const grpc::Status status = talk.End();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << c.field;
    EXPECT_EQ(status.error_message().find(c.field), 0U)
        << status.error_message();
  }
  EXPECT_EQ(server.CollectAtRest().Sum(
                "cooper_rejections_total",
                {{"method", "Converse"}, {"reason", "invalid_argument"}}),
            6);
  ExpectIdentity(server);
}

TEST(ConverseTest, DisconnectingCancelsTheTurn) {
  TestServer server(Talkative());
  {
    Talk talk(&server);
    ASSERT_TRUE(talk.Send(Start("one")));
    ASSERT_TRUE(talk.AwaitText());
  }
  const Scrape scrape = server.CollectAtRest();
  EXPECT_EQ(scrape.Sum("cooper_cancellations_total",
                       {{"method", "Converse"}, {"phase", "decode"}}),
            1);
  ExpectIdentity(server);
}

TEST(ConverseTest, DrainingEndsIdleCallsAndLetsTurnsEnd) {
  TestServer server;
  Talk idle(&server);
  ASSERT_TRUE(idle.Send(Start("one")));
  EXPECT_TRUE(idle.Turn().back().has_finished());
  server.gate().CloseFor(Call::kDecode);
  Talk busy(&server);
  ASSERT_TRUE(busy.Send(Start("two")));
  server.gate().AwaitArrival();
  server.engine().BeginDrain();
  const grpc::Status ended = idle.End();
  EXPECT_EQ(ended.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ErrorInfoOf(ended).reason(), "DRAINING");
  server.gate().Open();
  EXPECT_TRUE(busy.Turn().back().has_finished());
  EXPECT_EQ(busy.End().error_code(), grpc::StatusCode::UNAVAILABLE);
  ExpectIdentity(server);
}

TEST(ConverseTest, AnIdleCallEndsWithItsSession) {
  TestServer::Options options;
  options.engine.session_ttl = absl::Milliseconds(50);
  options.rpc.stall_timeout = absl::Milliseconds(50);
  TestServer server(options);
  Talk talk(&server);
  ASSERT_TRUE(talk.Send(Start("one")));
  EXPECT_TRUE(talk.Turn().back().has_finished());
  const grpc::Status status = talk.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ErrorInfoOf(status).reason(), "SESSION_NOT_FOUND");
  EXPECT_EQ(server.CollectAtRest().Sum("cooper_requests_in_flight"), 0);
  ExpectIdentity(server);
}

TEST(ConverseTest, WithoutSessionsItIsRefused) {
  TestServer::Options options;
  options.engine.session_ttl = absl::ZeroDuration();
  TestServer server(options);
  Talk talk(&server);
  ASSERT_TRUE(talk.Send(Start("one")));
  EXPECT_EQ(talk.End().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  ExpectIdentity(server);
}

TEST(ConverseTest, WhileLoadingItIsRefused) {
  TestServer::Options options;
  options.loaded = false;
  TestServer server(options);
  Talk talk(&server);
  const grpc::Status status = talk.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ErrorInfoOf(status).reason(), "LOADING");
  ExpectIdentity(server);
}

TEST(SessionIdTest, IdsAreHexadecimalAndDiffer) {
  const std::string id = DrawSessionId();
  EXPECT_EQ(id.size(), 32U);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_NE(id, DrawSessionId());
}

}  // namespace
}  // namespace cooper::rpc
