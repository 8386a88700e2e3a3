// How calls end early, over real sockets with a fake model: cancels, deadlines,
// slow readers, draining, a failed device; and that the counters tell it.
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/clock.h"
#include "server/rpc/health.h"
#include "tests/server/rpc/service_fixture.h"

namespace cooper::rpc {
namespace {

using ServiceEndTest = ServiceFixture;

TEST_F(ServiceEndTest, CancelDuringAMapEndsItThere) {
  TestServer::Options options = WithMaps();
  options.script.delays.flow_layer = absl::Microseconds(100);
  TestServer& server = Start(options);
  const auto stub = server.NewStub();
  grpc::ClientContext context;
  v1::ReasonRequest request = Question("How far?");
  request.mutable_flow()->set_num_timesteps(1000);
  const auto reader = stub->Reason(&context, request);
  v1::Event event;
  while (reader->Read(&event) && !event.has_map_progress()) continue;
  context.TryCancel();
  while (reader->Read(&event)) continue;
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  const Scrape scrape = server.CollectAtRest();
  EXPECT_EQ(scrape.Sum("cooper_cancellations_total", {{"method", "Reason"},
                                                      {"cause", "client"},
                                                      {"phase", "denoise"}}),
            1);
  EXPECT_LT(scrape.Sum("cooper_denoise_steps_total"), 999);
}

TEST_F(ServiceEndTest, DeadlineDuringTextCountsAsDeadline) {
  TestServer::Options options;
  options.script.texts = {std::string(3000, 'a')};
  options.script.delays.decode = absl::Milliseconds(1);
  TestServer& server = Start(options);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(200));
  const Answer answer =
      Ask(server.NewStub().get(), Question("How far?"), &context);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_FALSE(answer.events.empty());
  const Scrape scrape = server.CollectAtRest();
  EXPECT_EQ(scrape.Sum("cooper_cancellations_total",
                       {{"cause", "deadline"}, {"phase", "decode"}}),
            1);
  EXPECT_EQ(
      scrape.Sum("cooper_requests_total", {{"code", "DEADLINE_EXCEEDED"}}), 1);
}

// All work is done, and the answer waits for its reader.
TEST_F(ServiceEndTest, ADeadlineThatPassesDuringAWriteCountsThere) {
  TestServer::Options options = WithMaps();
  options.script.vae_rule = {512, 512, 16, 1 << 20};
  TestServer& server = Start(options);
  v1::ReasonRequest request = Question("How far?");
  request.mutable_output()->add_roles(v1::MAP_ROLE_VALUES);
  request.mutable_output()->set_depth_encoding(v1::MAP_ENCODING_RAW_FLOAT32);
  const auto stub = v1::SpatialReasoningService::NewStub(
      server.NewChannel(/*fixed_window=*/true));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(700));
  const auto reader = stub->Reason(&context, request);
  v1::Event event;
  ASSERT_TRUE(reader->Read(&event));
  const Scrape scrape = server.CollectAtRest();
  EXPECT_EQ(scrape.Sum("cooper_cancellations_total",
                       {{"cause", "deadline"}, {"phase", "write"}}),
            1);
  EXPECT_EQ(scrape.Sum("cooper_finish_reason_total"), 1);
  while (reader->Read(&event)) EXPECT_FALSE(event.has_finished());
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(ServiceEndTest, ACancelBeforeTheFirstEventIsCounted) {
  TestServer& server = Start(WithMaps());
  server.gate().CloseFor(Call::kPrefill);
  const auto stub = server.NewStub();
  grpc::ClientContext context;
  const auto reader = stub->Reason(&context, Question("How far?"));
  server.gate().AwaitArrival();
  context.TryCancel();
  // The server has read the cancel once it answers a later call of the same
  // connection.
  grpc::ClientContext later;
  v1::GetModelResponse model;
  ASSERT_TRUE(stub->GetModel(&later, {}, &model).ok());
  server.gate().Open();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(server.CollectAtRest().Sum("cooper_cancellations_total",
                                       {{"cause", "client"}}),
            1);
}

TEST_F(ServiceEndTest, ACancelAfterTheLastEventChangesNothing) {
  TestServer& server = Start();
  const auto stub = server.NewStub();
  grpc::ClientContext context;
  const auto reader = stub->Reason(&context, Question("How far?"));
  v1::Event event;
  while (reader->Read(&event)) continue;
  server.CollectAtRest();
  context.TryCancel();
  reader->Finish();  // the client's library may call that CANCELLED
  const Scrape scrape = server.CollectAtRest();
  EXPECT_EQ(scrape.Sum("cooper_cancellations_total"), 0);
  EXPECT_EQ(scrape.Sum("cooper_requests_total", {{"code", "OK"}}), 1);
}

TEST_F(ServiceEndTest, CallsWithoutADeadlineGetTheServersOwn) {
  TestServer::Options options;
  options.script.texts = {std::string(3000, 'a')};
  options.script.delays.decode = absl::Milliseconds(1);
  options.rpc.max_deadline = absl::Milliseconds(100);
  TestServer& server = Start(options);
  const Answer answer = Ask(server.NewStub().get(), Question("How far?"));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(ErrorInfoOf(answer.status).reason(), "DEADLINE");
}

TEST_F(ServiceEndTest, ReaderThatStallsIsEndedAndItsNeighbourIsNot) {
  TestServer::Options options = WithMaps();
  options.script.vae_rule = {512, 512, 16, 1 << 20};
  options.rpc.stall_timeout = absl::Milliseconds(50);
  TestServer& server = Start(options);
  v1::ReasonRequest request = Question("How far?");
  request.mutable_output()->add_roles(v1::MAP_ROLE_VALUES);
  // A megabyte, far past any window that an idle reader leaves open.
  request.mutable_output()->set_depth_encoding(v1::MAP_ENCODING_RAW_FLOAT32);
  const auto stub = v1::SpatialReasoningService::NewStub(
      server.NewChannel(/*fixed_window=*/true));
  grpc::ClientContext context;
  const auto idle = stub->Reason(&context, request);
  EXPECT_TRUE(Ask(server.NewStub().get(), request).status.ok());

  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  while (server.Collect().Sum("cooper_stream_stalls_total") == 0 &&
         absl::Now() < give_up) {
    continue;
  }
  const Scrape scrape = server.CollectAtRest();
  EXPECT_EQ(scrape.Sum("cooper_stream_stalls_total"), 1);
  EXPECT_EQ(scrape.Sum("cooper_cancellations_total", {{"cause", "stall"}}), 1);
  v1::Event event;
  while (idle->Read(&event)) EXPECT_FALSE(event.has_finished());
  EXPECT_EQ(idle->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

// With patience for stalled readers, but no memory for them.
TEST_F(ServiceEndTest, StalledReadersAreEndedEarlyWhereAnswersFillTheMemory) {
  TestServer::Options options = WithMaps();
  options.script.vae_rule = {512, 512, 16, 1 << 20};
  options.rpc.stall_timeout = absl::Hours(1);
  // The map and the message that carries it have 1 MiB each.
  options.rpc.answer_bytes = 1900000;
  TestServer& server = Start(options);
  v1::ReasonRequest request = Question("How far?");
  request.mutable_output()->add_roles(v1::MAP_ROLE_VALUES);
  request.mutable_output()->set_depth_encoding(v1::MAP_ENCODING_RAW_FLOAT32);
  const auto stub = v1::SpatialReasoningService::NewStub(
      server.NewChannel(/*fixed_window=*/true));
  grpc::ClientContext context;
  const auto idle = stub->Reason(&context, request);
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  const auto until = [&](auto done) {
    while (!done() && absl::Now() < give_up) {
      absl::SleepFor(absl::Milliseconds(1));
    }
  };
  until([&] {
    return server.Collect().Sum("cooper_stream_buffer_bytes") > 1900000;
  });
  const Answer refused = Ask(server.NewStub().get(), Question("Now?"));
  EXPECT_EQ(ErrorInfoOf(refused.status).reason(), "MEMORY_PRESSURE");
  until([&] { return server.Collect().Sum("cooper_stream_stalls_total") > 0; });
  v1::Event event;
  while (idle->Read(&event)) EXPECT_FALSE(event.has_finished());
  EXPECT_EQ(idle->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(server.CollectAtRest().Sum("cooper_stream_stalls_total"), 1);
  EXPECT_TRUE(Ask(server.NewStub().get(), Question("Now?")).status.ok());
}

TEST_F(ServiceEndTest, DrainingRefusesNewCallsAndLetsOthersEnd) {
  TestServer& server = Start(WithMaps());
  server.gate().CloseFor(Call::kDecode);
  const auto stub = server.NewStub();
  grpc::ClientContext first;
  const auto reader = stub->Reason(&first, Question("First?"));
  server.gate().AwaitArrival();
  server.server().SetReady(false);
  server.engine().BeginDrain();
  EXPECT_EQ(server.HealthOf("readiness"), "NOT_SERVING");
  EXPECT_EQ(server.HealthOf("liveness"), "SERVING");
  const Answer refused = Ask(stub.get(), Question("Second?"));
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ErrorInfoOf(refused.status).reason(), "DRAINING");
  server.gate().Open();
  v1::Event event;
  while (reader->Read(&event)) continue;
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(ServiceEndTest, WorkLeftAtTheEndOfADrainIsUnavailable) {
  TestServer::Options options;
  options.script.texts = {std::string(3000, 'a')};
  options.script.delays.decode = absl::Milliseconds(1);
  TestServer& server = Start(options);
  const auto stub = server.NewStub();
  grpc::ClientContext context;
  const auto reader = stub->Reason(&context, Question("First?"));
  v1::Event event;
  ASSERT_TRUE(reader->Read(&event));
  server.engine().Shutdown(absl::InfinitePast());
  while (reader->Read(&event)) EXPECT_FALSE(event.has_finished());
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ErrorInfoOf(status).reason(), "DRAINING");
  EXPECT_EQ(server.CollectAtRest().Sum("cooper_cancellations_total",
                                       {{"cause", "shutdown"}}),
            1);
}

TEST_F(ServiceEndTest, FailedDeviceEndsAllCallsAndHealth) {
  TestServer::Options options = WithMaps();
  options.script.faults.push_back({.call = Call::kDecode, .nth = 3});
  TestServer& server = Start(options);
  const auto stub = server.NewStub();
  const Answer answer = Ask(stub.get(), Question("How far?"));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ErrorInfoOf(answer.status).reason(), "ENGINE_FAILED");
  server.engine_failed().WaitForNotification();
  EXPECT_EQ(server.HealthOf("readiness"), "NOT_SERVING");
  EXPECT_EQ(server.HealthOf("liveness"), "NOT_SERVING");
  EXPECT_EQ(Ask(stub.get(), Question("And now?")).status.error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(server.CollectAtRest().Sum("cooper_engine_up"), 0);
}

TEST_F(ServiceEndTest, EngineThatMakesNoStepIsNotLive) {
  TestServer& server = Start(WithMaps());
  server.gate().CloseFor(Call::kDecode);
  const auto stub = server.NewStub();
  grpc::ClientContext context;
  const auto reader = stub->Reason(&context, Question("First?"));
  server.gate().AwaitArrival();
  const absl::Time now = base::Clock::Real()->Now();
  const auto* serving = server.serving_state().get();
  EXPECT_TRUE(HealthOf(true, serving, now, absl::Minutes(5)).live);
  const Health stuck =
      HealthOf(true, serving, now + absl::Minutes(6), absl::Minutes(5));
  EXPECT_FALSE(stuck.live);
  EXPECT_FALSE(stuck.serving);
  EXPECT_FALSE(stuck.failed);
  server.gate().Open();
  v1::Event event;
  while (reader->Read(&event)) continue;
  server.CollectAtRest();
  EXPECT_TRUE(
      HealthOf(true, serving, now + absl::Minutes(6), absl::Minutes(5)).live);
}

TEST_F(ServiceEndTest, AnEngineThatHangsEndsAllCallsOnce) {
  TestServer::Options options = WithMaps();
  options.rpc.stuck_after = absl::Milliseconds(300);
  options.rpc.watch_interval = absl::Milliseconds(20);
  options.engine.max_running = 2;
  TestServer& server = Start(options);
  server.gate().CloseFor(Call::kDecode);
  std::vector<std::thread> callers;
  for (int i = 0; i < 6; ++i) {
    callers.emplace_back([&server] {
      const Answer answer = Ask(server.NewStub().get(), Question("First?"));
      EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAVAILABLE);
      EXPECT_EQ(ErrorInfoOf(answer.status).reason(), "ENGINE_FAILED");
      for (const v1::Event& event : answer.events) {
        EXPECT_FALSE(event.has_finished());
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  server.engine_failed().WaitForNotification();
  EXPECT_TRUE(server.engine().given_up());
  for (const char* name :
       {"", "readiness", "liveness", "cooper.v1.SpatialReasoningService",
        "inference.GRPCInferenceService"}) {
    EXPECT_EQ(server.HealthOf(name), "NOT_SERVING") << name;
  }
  const Answer refused = Ask(server.NewStub().get(), Question("And now?"));
  EXPECT_EQ(ErrorInfoOf(refused.status).reason(), "ENGINE_FAILED");
  const Scrape scrape = server.Collect();
  EXPECT_EQ(scrape.Sum("cooper_requests_in_flight"), 0);
  EXPECT_EQ(scrape.Sum("cooper_requests_total", {{"code", "UNAVAILABLE"}}), 7);
  EXPECT_EQ(
      scrape.Sum("cooper_errors_total") + scrape.Sum("cooper_rejections_total"),
      7);
  EXPECT_EQ(scrape.Sum("cooper_engine_up"), 0);
  server.engine().Shutdown(absl::InfinitePast());  // waits for nothing
  // A step that returns after all runs into nothing that is gone.
  server.gate().Open();
}

TEST_F(ServiceEndTest, TwoHundredRandomCancelsAreAllAccountedFor) {
  TestServer::Options options = WithMaps();
  options.script.delays.decode = absl::Microseconds(50);
  options.script.delays.flow_layer = absl::Microseconds(50);
  TestServer& server = Start(options);
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&server, t] {
      std::mt19937 random(t);
      const auto stub = server.NewStub();
      for (int i = 0; i < 25; ++i) {
        grpc::ClientContext context;
        const auto reader = stub->Reason(&context, Question("How far?"));
        v1::Event event;
        for (int left = static_cast<int>(random() % 60);
             left > 0 && reader->Read(&event); --left) {
          continue;
        }
        context.TryCancel();
        while (reader->Read(&event)) continue;
        reader->Finish();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Scrape scrape = server.CollectAtRest();
  EXPECT_GT(scrape.Sum("cooper_cancellations_total"), 20);
  EXPECT_TRUE(Ask(server.NewStub().get(), Question("Fine?")).status.ok());
}

}  // namespace
}  // namespace cooper::rpc
