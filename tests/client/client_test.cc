#include "cooper/client/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/client/events.h"
#include "tests/client/fake_server.h"
#include "tests/testing/status_matchers.h"

namespace cooper::client {
namespace {

using ::cooper::testing::StatusIs;
using ::testing::_;
using ::testing::HasSubstr;
using Health = grpc::health::v1::HealthCheckResponse;

class ClientTest : public ::testing::Test {
 protected:
  std::unique_ptr<Client> Connect() {
    ClientOptions options;
    options.target = server_.target();
    auto client = Client::Connect(options);
    EXPECT_OK(client);
    return *std::move(client);
  }

  FakeServer server_;
};

std::vector<Event> ReadAll(EventStream& stream) {
  std::vector<Event> events;
  Event event;
  while (stream.Next(&event)) events.push_back(event);
  return events;
}

TEST_F(ClientTest, StreamsEventsInOrderAndJoinsMaps) {
  server_.SetScript({WholeStory()});
  const auto stream = Connect()->Reason({});
  const auto events = ReadAll(*stream);
  ASSERT_OK(stream->Finish());
  // Two parts became one.
  ASSERT_EQ(events.size(), WholeStory().size() - 1);
  EXPECT_EQ(events.front().started().seed(), 42u);
  EXPECT_EQ(events[8].map().data(), kTinyPng);
  EXPECT_EQ(events.back().finished().boxed(), "box");
}

v1::ConverseRequest FirstQuestion() {
  v1::ConverseRequest request;
  request.mutable_start()->mutable_reason()->add_inputs()->set_text("one");
  return request;
}

TEST_F(ClientTest, ATurnOfAConversationHasTheEventsOfACall) {
  server_.SetScript({WholeStory()});
  const auto client = Connect();
  const auto talk = client->Converse();
  v1::ConverseRequest ask;
  ask.mutable_ask()->add_inputs()->set_text("two");
  ASSERT_TRUE(talk->Send(FirstQuestion()));
  ASSERT_TRUE(talk->Send(ask));
  talk->CloseSending();
  EXPECT_FALSE(talk->Send(ask));
  int events = 0;
  int maps = 0;
  int finished = 0;
  v1::Event event;
  while (talk->Next(&event)) {
    ++events;
    // Joined, although the second turn's map has the number of the first's.
    if (event.has_map()) maps += event.map().data() == kTinyPng ? 1 : 0;
    finished += event.has_finished() ? 1 : 0;
  }
  EXPECT_OK(talk->Finish());
  EXPECT_EQ(events, 2 * (static_cast<int>(WholeStory().size()) - 1));
  EXPECT_GE(maps, 2);
  EXPECT_EQ(finished, 2);
  EXPECT_EQ(server_.converse().size(), 2U);
}

TEST_F(ClientTest, ACancelledTurnIsAnEvent) {
  Event started;
  started.mutable_started();
  server_.SetScript({{started}, grpc::Status::OK, /*hang=*/true});
  const auto client = Connect();
  const auto talk = client->Converse();
  ASSERT_TRUE(talk->Send(FirstQuestion()));
  v1::Event event;
  ASSERT_TRUE(talk->Next(&event));
  v1::ConverseRequest cancel;
  cancel.mutable_cancel();
  ASSERT_TRUE(talk->Send(cancel));
  ASSERT_TRUE(talk->Next(&event));
  EXPECT_TRUE(event.has_turn_cancelled());
  talk->CloseSending();
  EXPECT_FALSE(talk->Next(&event));
  EXPECT_OK(talk->Finish());
}

TEST_F(ClientTest, ATurnWithoutItsEndIsDataLoss) {
  Event started;
  started.mutable_started();
  server_.SetScript({{started}, grpc::Status::OK});
  const auto client = Connect();
  const auto talk = client->Converse();
  ASSERT_TRUE(talk->Send(FirstQuestion()));
  talk->CloseSending();
  v1::Event event;
  while (talk->Next(&event)) {
  }
  EXPECT_THAT(talk->Finish(), StatusIs(absl::StatusCode::kDataLoss, _));
}

TEST_F(ClientTest, AnErrorEndsAConversation) {
  server_.SetScript({{}, grpc::Status(grpc::StatusCode::NOT_FOUND, "gone")});
  const auto client = Connect();
  const auto talk = client->Converse();
  talk->Send(FirstQuestion());
  talk->CloseSending();
  v1::Event event;
  EXPECT_FALSE(talk->Next(&event));
  EXPECT_THAT(talk->Finish(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("gone")));
}

TEST_F(ClientTest, GivesPartsAsTheyComeWhenAskedTo) {
  server_.SetScript({WholeStory()});
  CallOptions options;
  options.join_maps = false;
  const auto stream = Connect()->Reason({}, options);
  const auto events = ReadAll(*stream);
  ASSERT_OK(stream->Finish());
  EXPECT_EQ(events.size(), WholeStory().size());
  EXPECT_GT(events[9].map().offset_bytes(), 0);
}

TEST_F(ClientTest, EveryStreamingRpcGivesTheSameEvents) {
  const std::vector<Event> script = {
      StartedEvent(), MapStartedEvent(0, v1::MAP_KIND_DEPTH),
      ProgressEvent(0, 1),
      MapEvent(0, v1::MAP_KIND_DEPTH, v1::MAP_ROLE_DISPLAY,
               v1::MAP_ENCODING_PNG_RGB8, kTinyPng),
      FinishedEvent("")};
  server_.SetScript({script});
  const auto client = Connect();
  v1::EstimateDepthRequest depth;
  depth.set_image("depth");
  v1::SegmentRequest segment;
  segment.set_image("segment");
  v1::GenerateImageRequest generate;
  generate.add_inputs()->set_text("a house");
  for (const auto& stream :
       {client->EstimateDepth(depth), client->Segment(segment),
        client->GenerateImage(generate)}) {
    const auto events = ReadAll(*stream);
    ASSERT_OK(stream->Finish());
    ASSERT_EQ(events.size(), script.size());
    for (size_t i = 0; i < script.size(); ++i) {
      EXPECT_EQ(events[i].SerializeAsString(), script[i].SerializeAsString());
    }
  }
  EXPECT_EQ(server_.estimate_depth().image(), "depth");
  EXPECT_EQ(server_.segment().image(), "segment");
  EXPECT_EQ(server_.generate_image().inputs(0).text(), "a house");
}

TEST_F(ClientTest, GenerateImageGivesItsPlanAsText) {
  server_.SetScript(
      {{StartedEvent(), TextEvent(0, v1::TEXT_CHANNEL_THINK, "A house."),
        FinishedEvent("")}});
  const auto stream = Connect()->GenerateImage({});
  const auto events = ReadAll(*stream);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[1].text_delta().text(), "A house.");
}

TEST_F(ClientTest, PassesOverEventsOfANewerServer) {
  server_.SetScript({{StartedEvent(), Event(), FinishedEvent("")}});
  const auto stream = Connect()->Reason({});
  EXPECT_EQ(ReadAll(*stream).size(), 2u);
  EXPECT_OK(stream->Finish());
}

TEST_F(ClientTest, CancelsACallWhoseMapsDoNotJoin) {
  server_.SetScript(
      {{StartedEvent(), MapEvent(0, v1::MAP_KIND_DEPTH, v1::MAP_ROLE_VALUES,
                                 v1::MAP_ENCODING_RAW_FLOAT32, "ab", 2, 4)},
       grpc::Status::OK,
       /*hang=*/true});
  const auto stream = Connect()->Reason({});
  EXPECT_EQ(ReadAll(*stream).size(), 1u);
  EXPECT_THAT(stream->Finish(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("byte 0")));
  server_.WaitForCancel();
}

TEST_F(ClientTest, ATruncatedMapIsDataLossEvenAfterFinished) {
  server_.SetScript({{StartedEvent(),
                      MapEvent(0, v1::MAP_KIND_DEPTH, v1::MAP_ROLE_VALUES,
                               v1::MAP_ENCODING_RAW_FLOAT32, "ab", 0, 4),
                      FinishedEvent("")}});
  const auto stream = Connect()->Reason({});
  ReadAll(*stream);
  EXPECT_THAT(stream->Finish(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("2 of 4")));
}

TEST_F(ClientTest, AStreamWithoutFinishedIsDataLoss) {
  server_.SetScript({{StartedEvent()}});
  const auto stream = Connect()->Reason({});
  ReadAll(*stream);
  EXPECT_THAT(stream->Finish(), StatusIs(absl::StatusCode::kDataLoss, _));
}

TEST_F(ClientTest, EventsAfterFinishedAreDataLoss) {
  server_.SetScript({{FinishedEvent("a"), FinishedEvent("b")}});
  const auto stream = Connect()->Reason({});
  EXPECT_EQ(ReadAll(*stream).size(), 1u);
  EXPECT_THAT(stream->Finish(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("after")));
}

TEST_F(ClientTest, ErrorsBringTheirDetails) {
  server_.SetScript({{},
                     DetailedStatus(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                    "queue is full", "QUEUE_FULL", "", 250)});
  const auto stream = Connect()->Reason({});
  EXPECT_TRUE(ReadAll(*stream).empty());
  const Error error = Error::FromStatus(stream->Finish());
  EXPECT_EQ(error.code, absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(error.reason, "QUEUE_FULL");
  EXPECT_EQ(error.retry_delay, absl::Milliseconds(250));
}

TEST_F(ClientTest, CancelFromAnotherThreadEndsTheCall) {
  server_.SetScript({{StartedEvent()}, grpc::Status::OK, /*hang=*/true});
  const auto stream = Connect()->Reason({});
  Event event;
  ASSERT_TRUE(stream->Next(&event));
  std::thread canceller([&] { stream->Cancel(); });
  EXPECT_FALSE(stream->Next(&event));
  canceller.join();
  EXPECT_THAT(stream->Finish(), StatusIs(absl::StatusCode::kCancelled, _));
  server_.WaitForCancel();
}

TEST_F(ClientTest, DroppingAStreamCancelsIt) {
  server_.SetScript({{StartedEvent()}, grpc::Status::OK, /*hang=*/true});
  auto stream = Connect()->Reason({});
  Event event;
  ASSERT_TRUE(stream->Next(&event));
  stream.reset();
  server_.WaitForCancel();
}

TEST_F(ClientTest, ADeadlineEndsTheCall) {
  server_.SetScript({{StartedEvent()}, grpc::Status::OK, /*hang=*/true});
  CallOptions options;
  options.timeout = absl::Milliseconds(50);
  const auto stream = Connect()->Reason({}, options);
  ReadAll(*stream);
  EXPECT_THAT(stream->Finish(),
              StatusIs(absl::StatusCode::kDeadlineExceeded, _));
}

TEST_F(ClientTest, SendsTheTokenWithEachCall) {
  const std::string path = ::testing::TempDir() + "/client_test_token";
  std::ofstream(path) << "s3cret\n";
  ClientOptions options;
  options.target = server_.target();
  options.auth_token_file = path;
  ASSERT_OK_AND_ASSIGN(auto client, Client::Connect(options));
  server_.SetScript({{FinishedEvent("")}});
  ReadAll(*client->Reason({}));
  EXPECT_EQ(server_.authorization(), "Bearer s3cret");
}

TEST_F(ClientTest, RefusesATokenThatIsNoToken) {
  const std::string path = ::testing::TempDir() + "/client_test_bad_token";
  std::ofstream(path) << "two words";
  ClientOptions options;
  options.target = server_.target();
  options.auth_token_file = path;
  EXPECT_THAT(Client::Connect(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path)));
}

TEST_F(ClientTest, GetModelIsTriedAgainWhileTheServerLoads) {
  v1::GetModelResponse model;
  model.set_name("demo");
  server_.SetModel(model, /*failures=*/1,
                   grpc::Status(grpc::StatusCode::UNAVAILABLE, "loading"));
  ASSERT_OK_AND_ASSIGN(const auto answer, Connect()->GetModel({}));
  EXPECT_EQ(answer.name(), "demo");
  EXPECT_EQ(server_.get_model_calls(), 2);
}

TEST_F(ClientTest, GetModelIsNotTriedAgainWhenTheServerIsFull) {
  server_.SetModel({}, /*failures=*/1,
                   grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full"));
  EXPECT_THAT(Connect()->GetModel({}),
              StatusIs(absl::StatusCode::kResourceExhausted, "full"));
  EXPECT_EQ(server_.get_model_calls(), 1);
}

TEST_F(ClientTest, HealthTellsEachServiceApart) {
  server_.SetHealth("", Health::SERVING);
  server_.SetHealth("readiness", Health::NOT_SERVING);
  const auto client = Connect();
  ASSERT_OK_AND_ASSIGN(ServingState state, client->Health(""));
  EXPECT_EQ(state, ServingState::kServing);
  ASSERT_OK_AND_ASSIGN(state, client->Health("readiness"));
  EXPECT_EQ(state, ServingState::kNotServing);
  EXPECT_THAT(client->Health("nonsense"),
              StatusIs(absl::StatusCode::kNotFound, _));
}

// A port of the loopback that is taken and does not listen.
class ClosedPort {
 public:
  ClosedPort() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(
        bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
        0);
    socklen_t size = sizeof(address);
    getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~ClosedPort() { close(socket_); }
  std::string target() const { return absl::StrCat("127.0.0.1:", port_); }

 private:
  const int socket_;
  int port_ = 0;
};

TEST(ClientConnectTest, NobodyListeningIsUnavailableAndNamesTheTarget) {
  const ClosedPort port;
  ClientOptions options;
  options.target = port.target();
  EXPECT_THAT(Client::Connect(options), StatusIs(absl::StatusCode::kUnavailable,
                                                 HasSubstr(options.target)));
}

TEST(ClientConnectTest, WithoutWaitingTheFirstCallFindsOut) {
  const ClosedPort port;
  ClientOptions options;
  options.target = port.target();
  options.connect_timeout = absl::ZeroDuration();
  ASSERT_OK_AND_ASSIGN(const auto client, Client::Connect(options));
  const auto stream = client->Reason({});
  EXPECT_TRUE(ReadAll(*stream).empty());
  EXPECT_THAT(stream->Finish(), StatusIs(absl::StatusCode::kUnavailable, _));
}

TEST(ClientConnectTest, OptionsThatDoNotFitAreRefused) {
  ClientOptions no_key;
  no_key.tls_cert_file = "cert.pem";
  EXPECT_THAT(
      Client::Connect(no_key),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tls_key")));
  ClientOptions no_file;
  no_file.tls_ca_file = "/nonexistent/ca.pem";
  EXPECT_THAT(Client::Connect(no_file),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("/nonexistent/ca.pem")));
  ClientOptions no_target;
  no_target.target = "";
  EXPECT_THAT(
      Client::Connect(no_target),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("target")));
}

}  // namespace
}  // namespace cooper::client
