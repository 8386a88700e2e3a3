// The service over real sockets, with a fake model: what callers see, and that
// the counters tell the same.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "model/load_progress.h"
#include "tests/server/rpc/service_fixture.h"
#include "tests/testing/fake_clock.h"

namespace cooper::rpc {
namespace {

using ::testing::HasSubstr;
using ServiceTest = ServiceFixture;

std::string Pushback(const grpc::ClientContext& context) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto it = trailers.find("grpc-retry-pushback-ms");
  if (it == trailers.end()) return "none";
  return std::string(it->second.data(), it->second.size());
}

TEST_F(ServiceTest, AnswerComesAsStartedEventsAndFinished) {
  TestServer& server = Start(WithMaps());
  v1::ReasonRequest request = Question("How far?");
  request.set_request_id("mine");
  request.set_seed(7);
  const Answer answer = Ask(server.NewStub().get(), request);
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  ASSERT_GE(answer.events.size(), 5u);
  EXPECT_EQ(answer.events.front().started().request_id(), "mine");
  EXPECT_EQ(answer.events.front().started().model(), "fake");
  EXPECT_EQ(answer.events.front().started().seed(), 7u);
  std::string written;
  int finished = 0, maps = 0;
  for (const auto& event : answer.events) {
    written += event.text_delta().text();
    finished += event.has_finished() ? 1 : 0;
    maps += event.has_map() ? 1 : 0;
  }
  EXPECT_THAT(written, HasSubstr("\\boxed{b}"));
  EXPECT_EQ(finished, 1);
  EXPECT_EQ(maps, 2);
  EXPECT_EQ(answer.events.back().finished().answer_text(), "\\boxed{b}");
  EXPECT_EQ(answer.events.back().finished().boxed(), "b");
  const Scrape scrape = server.CollectAtRest();
  EXPECT_EQ(scrape.Sum("cooper_requests_total",
                       {{"method", "Reason"}, {"code", "OK"}}),
            1);
}

TEST_F(ServiceTest, EightMixedCallsAtOnceAllEndWell) {
  TestServer& server = Start(WithMaps());
  std::vector<std::thread> threads;
  threads.reserve(8);
  std::vector<grpc::Status> ends(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&server, &ends, i] {
      const auto stub = server.NewStub();
      grpc::ClientContext context;
      if (i % 4 == 0) {
        ends[i] = Ask(stub.get(), Question("Where?"), &context).status;
      } else if (i % 4 == 1) {
        v1::EstimateDepthRequest request;
        request.set_image(TestPng());
        request.mutable_flow()->set_num_timesteps(5);
        const auto reader = stub->EstimateDepth(&context, request);
        v1::Event event;
        while (reader->Read(&event)) continue;
        ends[i] = reader->Finish();
      } else if (i % 4 == 2) {
        v1::SegmentRequest request;
        request.set_image(TestPng());
        request.mutable_flow()->set_num_timesteps(5);
        const auto reader = stub->Segment(&context, request);
        v1::Event event;
        while (reader->Read(&event)) continue;
        ends[i] = reader->Finish();
      } else {
        v1::GenerateImageRequest request;
        request.add_inputs()->set_text("A cat.");
        request.mutable_flow()->set_num_timesteps(5);
        const auto reader = stub->GenerateImage(&context, request);
        v1::Event event;
        while (reader->Read(&event)) continue;
        ends[i] = reader->Finish();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const grpc::Status& end : ends) {
    EXPECT_TRUE(end.ok()) << end.error_message();
  }
  EXPECT_EQ(
      server.CollectAtRest().Sum("cooper_requests_total", {{"code", "OK"}}), 8);
}

TEST_F(ServiceTest, CallersOfOneAddressAreOneClient) {
  TestServer::Options options;
  options.engine.max_per_client = 1;
  TestServer& server = Start(options);
  server.gate().CloseFor(fake::FakeModel::Call::kDecode);
  Answer first;
  std::thread caller(
      [&] { first = Ask(server.NewStub().get(), Question("Where?")); });
  server.gate().AwaitArrival();
  // Another connection, so another port.
  const Answer second = Ask(server.NewStub().get(), Question("Where?"));
  EXPECT_EQ(second.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ErrorInfoOf(second.status).reason(), "CLIENT_LIMIT");
  server.gate().Open();
  caller.join();
  EXPECT_TRUE(first.status.ok());
}

TEST_F(ServiceTest, GetModelTellsLimitsAndDefaults) {
  TestServer& server = Start();
  grpc::ClientContext context;
  v1::GetModelResponse model;
  const auto stub = server.NewStub();
  EXPECT_TRUE(stub->GetModel(&context, v1::GetModelRequest(), &model).ok());
  EXPECT_EQ(model.name(), "fake");
  EXPECT_EQ(model.server_version(), "1.2.3");
  EXPECT_EQ(model.limits().max_running(), 16);
  EXPECT_EQ(model.limits().max_message_bytes(), 32 << 20);
  EXPECT_EQ(model.defaults().flow().num_timesteps(), 50);
  EXPECT_EQ(model.modes_size(), 3);

  grpc::ClientContext other;
  v1::GetModelRequest wrong;
  wrong.set_model("other");
  const grpc::Status status = stub->GetModel(&other, wrong, &model);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ErrorInfoOf(status).reason(), "MODEL_NOT_FOUND");
}

TEST_F(ServiceTest, WhileLoadingOnlyLivenessServes) {
  TestServer::Options options;
  options.loaded = false;
  TestServer& server = Start(options);
  for (const char* name :
       {"", "cooper.v1.SpatialReasoningService", "readiness"}) {
    EXPECT_EQ(server.HealthOf(name), "NOT_SERVING") << name;
  }
  EXPECT_EQ(server.HealthOf("liveness"), "SERVING");
  EXPECT_EQ(server.HealthOf("nobody"), "NOT_FOUND");

  const auto stub = server.NewStub();
  grpc::ClientContext context;
  const Answer answer = Ask(stub.get(), Question("Now?"), &context);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ErrorInfoOf(answer.status).reason(), "LOADING");
  EXPECT_EQ(ErrorInfoOf(answer.status).domain(), "cooper.v1");
  EXPECT_EQ(Pushback(context), "1000");
  grpc::ClientContext model_context;
  v1::GetModelResponse model;
  EXPECT_EQ(stub->GetModel(&model_context, v1::GetModelRequest(), &model)
                .error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(server.CollectAtRest().Sum("cooper_rejections_total",
                                       {{"reason", "loading"}}),
            2);

  // Where the progress is known, it says when to ask again.
  cooper::testing::FakeClock clock;
  model::LoadProgress progress(&clock);
  server.serving_state().Follow(&progress);
  progress.Begin(model::LoadStage::kReading, 1000);
  clock.Advance(absl::Seconds(20));
  progress.Add(400);
  grpc::ClientContext later;
  const Answer told = Ask(stub.get(), Question("Now?"), &later);
  EXPECT_EQ(told.status.error_message(),
            "the model is being loaded (reading weights, 40 %)");
  EXPECT_EQ(Pushback(later), "30000");

  server.Load();
  EXPECT_EQ(server.HealthOf("readiness"), "SERVING");
  EXPECT_EQ(server.HealthOf(""), "SERVING");
  EXPECT_TRUE(Ask(stub.get(), Question("Now?")).status.ok());
}

TEST_F(ServiceTest, BadFieldIsRefusedBeforeTheEngineSeesIt) {
  TestServer& server = Start();
  v1::ReasonRequest request = Question("How?");
  request.mutable_flow()->set_num_timesteps(1);
  const Answer answer = Ask(server.NewStub().get(), request);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("flow.num_timesteps"));
  EXPECT_TRUE(answer.events.empty());
  const Scrape scrape = server.CollectAtRest();
  EXPECT_EQ(scrape.Sum("cooper_rejections_total",
                       {{"method", "Reason"}, {"reason", "invalid_argument"}}),
            1);
  EXPECT_EQ(scrape.Sum("cooper_engine_steps_total"), 0);
}

TEST_F(ServiceTest, ImageThatOnlyDecodingFindsCorruptIsRefused) {
  TestServer& server = Start();
  v1::EstimateDepthRequest request;
  std::string png = TestPng();
  png.resize(png.size() - 20);
  request.set_image(png);
  grpc::ClientContext context;
  const auto reader = server.NewStub()->EstimateDepth(&context, request);
  v1::Event event;
  while (reader->Read(&event)) EXPECT_FALSE(event.has_finished());
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ErrorInfoOf(status).reason(), "INVALID_IMAGE");
  EXPECT_EQ(server.CollectAtRest().Sum("cooper_image_rejections_total"), 1);
}

TEST_F(ServiceTest, UnknownMethodsAreUnimplementedUnderOneLabel) {
  TestServer& server = Start();
  for (const char* method :
       {"/cooper.v1.SpatialReasoningService/Dream", "/x.Y/Z",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.channelz.v1.Channelz/GetServers"}) {
    EXPECT_EQ(server.CallMethod(method), grpc::StatusCode::UNIMPLEMENTED)
        << method;
  }
  const Scrape scrape = server.CollectAtRest();
  EXPECT_EQ(scrape.Sum("cooper_requests_total",
                       {{"method", "other"}, {"code", "UNIMPLEMENTED"}}),
            4);
  for (const Scrape::Sample& sample : scrape.samples) {
    const auto method = sample.labels.find("method");
    if (method == sample.labels.end()) continue;
    EXPECT_EQ(method->second, "other") << sample.name;
  }
}

TEST_F(ServiceTest, MessagesThatCannotBeTakenAreRefusedAndCounted) {
  TestServer::Options options;
  options.rpc.limits.max_message_bytes = 1 << 20;
  TestServer& server = Start(options);
  const auto stub = server.NewStub();
  v1::ReasonRequest request = Question("How?");
  request.mutable_inputs(1)->set_text(std::string(1 << 20, 'a'));
  const Answer large = Ask(stub.get(), request);
  EXPECT_EQ(large.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ErrorInfoOf(large.status).reason(), "MESSAGE_TOO_LARGE");

  grpc::ClientContext compressed;
  compressed.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  const Answer packed = Ask(stub.get(), Question("How?"), &compressed);
  EXPECT_EQ(packed.status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  // gRPC answers the second one by itself, maybe before the handler has it.
  Scrape scrape = server.CollectAtRest();
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  while (scrape.Sum("cooper_rpc_started_total") < 2 && absl::Now() < give_up) {
    scrape = server.CollectAtRest();
  }
  EXPECT_EQ(scrape.Sum("cooper_rpc_started_total"), 2);
  EXPECT_EQ(
      scrape.Sum("cooper_rejections_total", {{"reason", "message_too_large"}}),
      1);
  EXPECT_EQ(scrape.Sum("cooper_cancellations_total"), 1);
  EXPECT_TRUE(Ask(stub.get(), Question("How?")).status.ok());
}

TEST_F(ServiceTest, OfABurstExactlyWhatHasNoPlaceIsRefused) {
  constexpr int kPlaces = 1 + 2;
  constexpr int kBurst = 30;
  TestServer::Options options = WithMaps();
  options.engine.max_running = 1;
  options.engine.max_queue = 2;
  TestServer& server = Start(options);
  server.gate().CloseFor(Call::kDecode);
  std::atomic<int> refused = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < kBurst; ++i) {
    callers.emplace_back([&] {
      grpc::ClientContext context;
      const Answer answer =
          Ask(server.NewStub().get(), Question("Where?"), &context);
      if (answer.status.ok()) return;
      EXPECT_EQ(answer.status.error_code(),
                grpc::StatusCode::RESOURCE_EXHAUSTED);
      EXPECT_EQ(ErrorInfoOf(answer.status).reason(), "QUEUE_FULL");
      int pushback_ms = 0;
      EXPECT_TRUE(absl::SimpleAtoi(Pushback(context), &pushback_ms));
      EXPECT_GE(pushback_ms, 0);
      ++refused;
    });
  }
  while (refused < kBurst - kPlaces) std::this_thread::yield();
  server.gate().Open();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(refused, kBurst - kPlaces);
  const Scrape scrape = server.CollectAtRest();
  EXPECT_EQ(scrape.Sum("cooper_rejections_total", {{"reason", "queue_full"}}),
            kBurst - kPlaces);
  EXPECT_EQ(scrape.Sum("cooper_requests_total", {{"code", "OK"}}), kPlaces);
}

TEST_F(ServiceTest, FullQueueIsRefusedWithAPushback) {
  TestServer::Options options = WithMaps();
  options.engine.max_running = 1;
  options.engine.max_queue = 0;
  TestServer& server = Start(options);
  server.gate().CloseFor(Call::kDecode);
  const auto stub = server.NewStub();
  grpc::ClientContext first;
  const auto reader = stub->Reason(&first, Question("First?"));
  server.gate().AwaitArrival();
  grpc::ClientContext second;
  const Answer refused = Ask(stub.get(), Question("Second?"), &second);
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ErrorInfoOf(refused.status).reason(), "QUEUE_FULL");
  EXPECT_NE(Pushback(second), "none");
  server.gate().Open();
  v1::Event event;
  while (reader->Read(&event)) continue;
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(server.CollectAtRest().Sum("cooper_rejections_total",
                                       {{"reason", "queue_full"}}),
            1);
}

}  // namespace
}  // namespace cooper::rpc
