// The KServe service over real sockets, with a fake model: how requests and
// streams begin and end, and that the counters tell it.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "inference/grpc_service.grpc.pb.h"
#include "server/kserve/inference_stream.h"
#include "tests/server/test_server.h"

namespace cooper::kserve {
namespace {

using cooper::testing::ErrorInfoOf;
using cooper::testing::ExpectIdentity;
using cooper::testing::Scrape;
using cooper::testing::TestPng;
using cooper::testing::TestServer;
using cooper::testing::WithMaps;
using inference::GRPCInferenceService;
using inference::ModelInferRequest;
using inference::ModelInferResponse;
using inference::ModelStreamInferResponse;
using ::testing::HasSubstr;
using Call = fake::FakeModel::Call;
using ClientStream =
    grpc::ClientReaderWriter<ModelInferRequest, ModelStreamInferResponse>;

std::unique_ptr<GRPCInferenceService::Stub> StubOf(TestServer& server,
                                                   bool fixed_window = false) {
  return GRPCInferenceService::NewStub(server.NewChannel(fixed_window));
}

ModelInferRequest Depth(const std::string& id = "", int num_timesteps = 4,
                        int side = 64) {
  ModelInferRequest request;
  request.set_model_name("fake_depth");
  request.set_id(id);
  auto* input = request.add_inputs();
  input->set_name("IMAGE");
  input->set_datatype("BYTES");
  input->add_shape(1);
  input->mutable_contents()->add_bytes_contents(TestPng(side, side));
  (*request.mutable_parameters())["num_timesteps"].set_int64_param(
      num_timesteps);
  return request;
}

ModelInferRequest Question() {
  ModelInferRequest request;
  request.set_model_name("fake");
  auto* input = request.add_inputs();
  input->set_name("QUESTION");
  input->set_datatype("BYTES");
  input->add_shape(1);
  input->mutable_contents()->add_bytes_contents("How far?");
  (*request.mutable_parameters())["num_timesteps"].set_int64_param(4);
  return request;
}

grpc::Status Infer(GRPCInferenceService::Stub* stub,
                   const ModelInferRequest& request,
                   ModelInferResponse* response) {
  grpc::ClientContext context;
  return stub->ModelInfer(&context, request, response);
}

bool IsFinal(const ModelStreamInferResponse& response) {
  return response.infer_response()
      .parameters()
      .at("triton_final_response")
      .bool_param();
}

void AwaitInFlight(const TestServer& server, double count) {
  const absl::Time give_up = absl::Now() + absl::Seconds(30);
  while (server.Collect().Sum("cooper_requests_in_flight") != count) {
    ASSERT_LT(absl::Now(), give_up);
  }
}

TEST(InferenceServiceTest, InferGivesATensorOfItsSize) {
  TestServer server;
  ModelInferResponse response;
  const grpc::Status status =
      Infer(StubOf(server).get(), Depth("mine"), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.id(), "mine");
  EXPECT_EQ(response.model_name(), "fake_depth");
  EXPECT_EQ(response.model_version(), "1");
  ASSERT_EQ(response.outputs_size(), 1);
  const auto& shape = response.outputs(0).shape();
  EXPECT_EQ(response.raw_output_contents(0).size(),
            static_cast<size_t>(shape[0] * shape[1]) * sizeof(float));
  EXPECT_EQ(
      server.CollectAtRest().Sum("cooper_requests_total",
                                 {{"method", "ModelInfer"}, {"code", "OK"}}),
      1);
  ExpectIdentity(server);
}

TEST(InferenceServiceTest, ErrorsCarryTheSameDetailsAsOurOwn) {
  TestServer server;
  ModelInferRequest request = Depth();
  request.mutable_inputs(0)->set_datatype("FP32");
  ModelInferResponse response;
  const auto stub = StubOf(server);
  grpc::Status status = Infer(stub.get(), request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ErrorInfoOf(status).reason(), "INVALID_ARGUMENT");
  EXPECT_THAT(status.error_details(), HasSubstr("inputs[IMAGE]"));
  request.set_model_name("other");
  status = Infer(stub.get(), request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ErrorInfoOf(status).reason(), "MODEL_NOT_FOUND");
  ExpectIdentity(server);
}

TEST(InferenceServiceTest, ReadinessFollowsLoadingAndDraining) {
  TestServer::Options options;
  options.loaded = false;
  TestServer server(options);
  const auto stub = StubOf(server);
  const auto ready = [&] {
    grpc::ClientContext context, model_context;
    inference::ServerReadyResponse whole;
    inference::ModelReadyResponse one;
    inference::ModelReadyRequest request;
    request.set_name("fake_depth");
    EXPECT_TRUE(stub->ServerReady(&context, {}, &whole).ok());
    EXPECT_TRUE(stub->ModelReady(&model_context, request, &one).ok());
    EXPECT_EQ(whole.ready(), one.ready());
    return whole.ready();
  };
  EXPECT_FALSE(ready());
  grpc::ClientContext context;
  inference::ServerLiveResponse live;
  EXPECT_TRUE(stub->ServerLive(&context, {}, &live).ok());
  EXPECT_TRUE(live.live());
  ModelInferResponse response;
  EXPECT_EQ(ErrorInfoOf(Infer(stub.get(), Depth(), &response)).reason(),
            "LOADING");
  server.Load();
  EXPECT_TRUE(ready());
  EXPECT_EQ(server.HealthOf("inference.GRPCInferenceService"), "SERVING");
  server.server().SetReady(false);
  server.engine().BeginDrain();
  EXPECT_FALSE(ready());
  const grpc::Status drained = Infer(stub.get(), Depth(), &response);
  EXPECT_EQ(drained.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ErrorInfoOf(drained).reason(), "DRAINING");
  ExpectIdentity(server);
}

inference::ModelStatisticsResponse StatisticsOf(
    GRPCInferenceService::Stub* stub, const std::string& name) {
  grpc::ClientContext context;
  inference::ModelStatisticsRequest request;
  request.set_name(name);
  inference::ModelStatisticsResponse response;
  EXPECT_TRUE(stub->ModelStatistics(&context, request, &response).ok());
  return response;
}

TEST(InferenceServiceTest, StatisticsCountRequestsOfEveryProtocol) {
  TestServer server;
  const auto stub = StubOf(server);
  const auto before = StatisticsOf(stub.get(), "");
  ASSERT_EQ(before.model_stats_size(), 3);
  EXPECT_EQ(before.model_stats(0).name(), "fake");
  EXPECT_EQ(before.model_stats(1).name(), "fake_depth");
  EXPECT_EQ(before.model_stats(2).name(), "fake_segmentation");
  for (const auto& statistics : before.model_stats()) {
    EXPECT_EQ(statistics.version(), "1");
    EXPECT_EQ(statistics.inference_count(), 0u);
    EXPECT_EQ(statistics.last_inference(), 0u);
  }
  const int64_t begin = absl::ToUnixMillis(absl::Now());
  ModelInferResponse response;
  ASSERT_TRUE(Infer(stub.get(), Depth(), &response).ok());
  ASSERT_TRUE(Infer(stub.get(), Depth(), &response).ok());
  v1::EstimateDepthRequest own;
  own.set_image(TestPng());
  grpc::ClientContext context;
  const auto reader = server.NewStub()->EstimateDepth(&context, own);
  v1::Event event;
  while (reader->Read(&event)) {
  }
  ASSERT_TRUE(reader->Finish().ok());
  const auto after = StatisticsOf(stub.get(), "fake_depth");
  ASSERT_EQ(after.model_stats_size(), 1);
  const inference::ModelStatistics& depth = after.model_stats(0);
  EXPECT_EQ(depth.inference_count(), 3u);
  EXPECT_EQ(depth.execution_count(), 3u);
  EXPECT_GE(depth.last_inference(), static_cast<uint64_t>(begin - 1));
  EXPECT_LE(depth.last_inference(),
            static_cast<uint64_t>(absl::ToUnixMillis(absl::Now()) + 1));
  const inference::InferStatistics& times = depth.inference_stats();
  for (const auto* part :
       {&times.success(), &times.queue(), &times.compute_input(),
        &times.compute_infer(), &times.compute_output()}) {
    EXPECT_EQ(part->count(), 3u);
  }
  EXPECT_GT(times.compute_infer().ns(), 0u);
  EXPECT_GT(times.compute_input().ns(), 0u);
  EXPECT_GE(times.success().ns(),
            times.queue().ns() + times.compute_infer().ns());
  EXPECT_EQ(times.fail().count(), 0u);
  EXPECT_EQ(StatisticsOf(stub.get(), "fake").model_stats(0).inference_count(),
            0u);
  grpc::ClientContext unknown_context;
  inference::ModelStatisticsRequest unknown;
  unknown.set_name("other");
  inference::ModelStatisticsResponse none;
  EXPECT_EQ(
      stub->ModelStatistics(&unknown_context, unknown, &none).error_code(),
      grpc::StatusCode::NOT_FOUND);
  ExpectIdentity(server);
}

// Engine and call end at the parameter, where the call's own deadline is later.
TEST(InferenceServiceTest, TheTimeoutParameterIsADeadline) {
  TestServer server;
  const auto stub = StubOf(server);
  server.gate().CloseFor(Call::kDenoiseSlice);
  ModelInferRequest request = Depth();
  (*request.mutable_parameters())["timeout"].set_int64_param(50000);
  ModelInferResponse response;
  grpc::Status status;
  std::thread caller([&] { status = Infer(stub.get(), request, &response); });
  server.gate().AwaitArrival();
  const absl::Time late = absl::Now() + absl::Milliseconds(60);
  while (absl::Now() < late) std::this_thread::yield();
  server.gate().Open();
  caller.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(ErrorInfoOf(status).reason(), "DEADLINE");
  EXPECT_EQ(server.CollectAtRest().Sum("cooper_cancellations_total",
                                       {{"cause", "deadline"}}),
            1);
  const auto statistics = StatisticsOf(stub.get(), "fake_depth").model_stats(0);
  EXPECT_EQ(statistics.inference_stats().fail().count(), 1u);
  EXPECT_GE(statistics.inference_stats().fail().ns(), 50000000u);
  ExpectIdentity(server);
}

TEST(InferenceServiceTest, TheRepositoryIsTheServedModel) {
  TestServer::Options options;
  options.loaded = false;
  TestServer server(options);
  const auto stub = StubOf(server);
  const auto index = [&](bool only_ready) {
    grpc::ClientContext context;
    inference::RepositoryIndexRequest request;
    request.set_ready(only_ready);
    inference::RepositoryIndexResponse response;
    EXPECT_TRUE(stub->RepositoryIndex(&context, request, &response).ok());
    std::vector<std::string> models;
    for (const auto& model : response.models()) {
      EXPECT_EQ(model.version(), "1");
      EXPECT_EQ(model.reason().empty(), model.state() == "READY");
      models.push_back(absl::StrCat(model.name(), " ", model.state()));
    }
    return models;
  };
  EXPECT_THAT(index(false), ::testing::IsEmpty());
  server.Load();
  EXPECT_THAT(index(true),
              ::testing::ElementsAre("fake READY", "fake_depth READY",
                                     "fake_segmentation READY"));
  server.server().SetReady(false);
  EXPECT_THAT(index(false), ::testing::ElementsAre(
                                "fake UNAVAILABLE", "fake_depth UNAVAILABLE",
                                "fake_segmentation UNAVAILABLE"));
  EXPECT_THAT(index(true), ::testing::IsEmpty());
  ExpectIdentity(server);
}

TEST(InferenceServiceTest, WhatThisServerHasNoUseForIsRefusedInWords) {
  TestServer server;
  const auto stub = StubOf(server);
  const auto expect = [](const grpc::Status& status, const char* words) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
    EXPECT_EQ(ErrorInfoOf(status).reason(), "UNIMPLEMENTED");
    EXPECT_THAT(status.error_message(), HasSubstr(words));
  };
  {
    grpc::ClientContext context;
    inference::RepositoryModelLoadResponse response;
    expect(stub->RepositoryModelLoad(&context, {}, &response),
           "the served model is chosen");
  }
  {
    grpc::ClientContext context;
    inference::SystemSharedMemoryRegisterResponse response;
    expect(stub->SystemSharedMemoryRegister(&context, {}, &response),
           "shares no memory");
  }
  {
    grpc::ClientContext context;
    inference::TraceSettingResponse response;
    expect(stub->TraceSetting(&context, {}, &response), "set by flags");
  }
  {
    grpc::ClientContext context;
    inference::CudaSharedMemoryStatusResponse response;
    EXPECT_TRUE(stub->CudaSharedMemoryStatus(&context, {}, &response).ok());
    EXPECT_TRUE(response.regions().empty());
  }
  ExpectIdentity(server);
}

TEST(InferenceServiceTest, TokensAreAskedForByEveryMethod) {
  std::string path = "/tmp/cooper-tokens-XXXXXX";
  close(mkstemp(path.data()));
  std::ofstream(path) << "secret\n";
  TestServer::Options options;
  options.rpc.auth_token_file = path;
  TestServer server(options);
  for (const char* method : {"ServerLive",
                             "ServerReady",
                             "ServerMetadata",
                             "ModelReady",
                             "ModelMetadata",
                             "ModelConfig",
                             "ModelInfer",
                             "ModelStreamInfer",
                             "ModelStatistics",
                             "RepositoryIndex",
                             "RepositoryModelLoad",
                             "RepositoryModelUnload",
                             "SystemSharedMemoryStatus",
                             "SystemSharedMemoryRegister",
                             "SystemSharedMemoryUnregister",
                             "CudaSharedMemoryStatus",
                             "CudaSharedMemoryRegister",
                             "CudaSharedMemoryUnregister",
                             "TraceSetting",
                             "LogSettings"}) {
    EXPECT_EQ(server.CallMethod(
                  absl::StrCat("/inference.GRPCInferenceService/", method)),
              grpc::StatusCode::UNAUTHENTICATED)
        << method;
  }
  EXPECT_EQ(server.CollectAtRest().Sum("cooper_rejections_total",
                                       {{"reason", "unauthenticated"}}),
            20);
  ExpectIdentity(server);
  unlink(path.c_str());
}

// A final response without outputs is written only where the client asks for
// it; the call ends all the same.
TEST(InferenceServiceTest, AStreamEndsAlsoWhereTheFinalResponseIsLeftOut) {
  for (const bool empty_final : {false, true}) {
    TestServer server(WithMaps());
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(20));
    const auto stub = StubOf(server);
    const auto stream = stub->ModelStreamInfer(&context);
    ModelInferRequest request = Question();
    request.add_outputs()->set_name("TEXT");
    (*request.mutable_parameters())["triton_enable_empty_final_response"]
        .set_bool_param(empty_final);
    stream->Write(request);
    stream->WritesDone();
    ModelStreamInferResponse response;
    int pieces = 0;
    int finals = 0;
    while (stream->Read(&response)) {
      EXPECT_EQ(response.error_message(), "");
      pieces += response.infer_response().outputs_size();
      finals += IsFinal(response) ? 1 : 0;
    }
    EXPECT_TRUE(stream->Finish().ok());
    EXPECT_GT(pieces, 0);
    EXPECT_EQ(finals, empty_final ? 1 : 0);
    ExpectIdentity(server);
  }
}

TEST(InferenceServiceTest, StreamGivesPiecesMapsAndAFinalResponse) {
  TestServer server(WithMaps());
  grpc::ClientContext context;
  const auto stub = StubOf(server);
  const auto stream = stub->ModelStreamInfer(&context);
  stream->Write(Question());
  ModelStreamInferResponse response;
  std::set<std::string> seen;
  do {
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.error_message(), "");
    for (const auto& output : response.infer_response().outputs()) {
      seen.insert(output.name());
    }
  } while (!IsFinal(response));
  EXPECT_THAT(seen, ::testing::UnorderedElementsAre(
                        "TEXT", "CHANNEL", "MAP", "MAP_KIND", "ANSWER",
                        "ANSWER_TEXT", "BOXED", "THOUGHTS", "FINISH_REASON"));
  stream->WritesDone();
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
  ExpectIdentity(server);
}

TEST(InferenceServiceTest, AStreamWithoutRequestsEndsAfterTheLongestDeadline) {
  TestServer::Options options;
  options.rpc.max_deadline = absl::Milliseconds(300);
  TestServer server(options);
  grpc::ClientContext context;
  const auto stub = StubOf(server);
  const auto stream = stub->ModelStreamInfer(&context);
  const absl::Time start = absl::Now();
  stream->Write(Question());
  ModelStreamInferResponse response;
  while (stream->Read(&response)) {
  }
  const grpc::Status end = stream->Finish();
  EXPECT_EQ(end.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(ErrorInfoOf(end).reason(), "DEADLINE");
  EXPECT_GT(absl::Now() - start, absl::Milliseconds(300));
  ExpectIdentity(server);
}

TEST(InferenceServiceTest, RequestErrorsLeaveTheStreamAlive) {
  TestServer server;
  grpc::ClientContext context;
  const auto stub = StubOf(server);
  const auto stream = stub->ModelStreamInfer(&context);
  ModelInferRequest bad = Depth("bad");
  bad.mutable_inputs(0)->set_name("FOO");
  stream->Write(bad);
  ModelStreamInferResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_THAT(response.error_message(),
              HasSubstr("INVALID_ARGUMENT: inputs[FOO]: "));
  EXPECT_EQ(response.infer_response().id(), "bad");
  EXPECT_TRUE(IsFinal(response));
  stream->Write(Depth("good"));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.error_message(), "");
  EXPECT_EQ(response.infer_response().id(), "good");
  EXPECT_TRUE(IsFinal(response));
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  const Scrape scrape = server.CollectAtRest();
  for (const char* code : {"OK", "INVALID_ARGUMENT"}) {
    EXPECT_EQ(scrape.Sum("cooper_requests_total",
                         {{"method", "ModelStreamInfer"}, {"code", code}}),
              1);
  }
  ExpectIdentity(server);
}

TEST(InferenceServiceTest, StreamReadsNoMoreThanItsBound) {
  TestServer::Options options = WithMaps();
  options.engine.max_running = 1;
  TestServer server(options);
  server.gate().CloseFor(Call::kDenoiseSlice);
  grpc::ClientContext context;
  const auto stub = StubOf(server);
  const auto stream = stub->ModelStreamInfer(&context);
  constexpr int kSent = InferenceStream::kMaxOutstanding + 4;
  for (int i = 0; i < kSent; ++i) stream->Write(Depth(absl::StrCat(i)));
  stream->WritesDone();
  AwaitInFlight(server, InferenceStream::kMaxOutstanding);
  // What is beyond the bound stays outside, however long one waits.
  EXPECT_EQ(server.HealthOf(""), "SERVING");
  EXPECT_EQ(server.Collect().Sum("cooper_rpc_started_total",
                                 {{"method", "ModelStreamInfer"}}),
            InferenceStream::kMaxOutstanding);
  server.gate().Open();
  std::set<std::string> ids;
  ModelStreamInferResponse response;
  while (stream->Read(&response)) ids.insert(response.infer_response().id());
  EXPECT_EQ(ids.size(), static_cast<size_t>(kSent));
  EXPECT_TRUE(stream->Finish().ok());
  ExpectIdentity(server);
}

TEST(InferenceServiceTest, CancelledStreamEndsAllItsRequests) {
  TestServer::Options options;
  options.script.delays.flow_layer = absl::Milliseconds(1);
  TestServer server(options);
  grpc::ClientContext context;
  const auto stub = StubOf(server);
  const auto stream = stub->ModelStreamInfer(&context);
  for (int i = 0; i < 3; ++i) stream->Write(Depth("", 1000));
  AwaitInFlight(server, 3);
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(server.CollectAtRest().Sum(
                "cooper_cancellations_total",
                {{"method", "ModelStreamInfer"}, {"cause", "client"}}),
            3);
  ExpectIdentity(server);
}

TEST(InferenceServiceTest, DeadlinesEndInferAndStreams) {
  TestServer::Options options;
  options.script.delays.flow_layer = absl::Milliseconds(1);
  options.rpc.max_deadline = absl::Milliseconds(300);
  TestServer server(options);
  const auto stub = StubOf(server);
  ModelInferResponse response;
  EXPECT_EQ(Infer(stub.get(), Depth("", 1000), &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  // The server's own deadline is of each request, not of the stream.
  grpc::ClientContext context;
  const auto stream = stub->ModelStreamInfer(&context);
  ModelStreamInferResponse answer;
  for (int i = 0; i < 2; ++i) {
    stream->Write(Depth("", 1000));
    ASSERT_TRUE(stream->Read(&answer));
    EXPECT_THAT(answer.error_message(), HasSubstr("DEADLINE_EXCEEDED"));
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(server.CollectAtRest().Sum("cooper_cancellations_total",
                                       {{"cause", "deadline"}}),
            3);
  ExpectIdentity(server);
}

TEST(InferenceServiceTest, StalledReaderOfAStreamIsSentAway) {
  TestServer::Options options;
  options.rpc.stall_timeout = absl::Milliseconds(100);
  options.script.vae_rule = {512, 256, 16, 1 << 20};
  TestServer server(options);
  grpc::ClientContext context;
  const auto stub = StubOf(server, /*fixed_window=*/true);
  const auto stream = stub->ModelStreamInfer(&context);
  for (int i = 0; i < 8; ++i) stream->Write(Depth("", 2, 512));
  const absl::Time give_up = absl::Now() + absl::Seconds(30);
  while (server.Collect().Sum("cooper_stream_stalls_total") == 0) {
    ASSERT_LT(absl::Now(), give_up);
  }
  // The status comes behind what has arrived.
  ModelStreamInferResponse response;
  while (stream->Read(&response)) continue;
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  ExpectIdentity(server);
}

TEST(InferenceServiceTest, IdleStreamDoesNotHoldTheShutdown) {
  TestServer server;
  grpc::ClientContext context;
  const auto stub = StubOf(server);
  const auto stream = stub->ModelStreamInfer(&context);
  stream->Write(Depth());
  ModelStreamInferResponse response;
  ASSERT_TRUE(stream->Read(&response));
  server.engine().BeginDrain();
  server.engine().Shutdown(absl::InfiniteFuture());
  const absl::Time before = absl::Now();
  server.server().Shutdown(absl::Seconds(60));
  EXPECT_LT(absl::Now() - before, absl::Seconds(30));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(InferenceServiceTest, FullQueueIsRefusedOnStreamsToo) {
  TestServer::Options options = WithMaps();
  options.engine.max_running = 1;
  options.engine.max_queue = 0;
  TestServer server(options);
  server.gate().CloseFor(Call::kDenoiseSlice);
  grpc::ClientContext context;
  const auto stub = StubOf(server);
  const auto stream = stub->ModelStreamInfer(&context);
  stream->Write(Depth("first"));
  server.gate().AwaitArrival();
  stream->Write(Depth("second"));
  ModelStreamInferResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.infer_response().id(), "second");
  EXPECT_THAT(response.error_message(), HasSubstr("RESOURCE_EXHAUSTED: "));
  server.gate().Open();
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.infer_response().id(), "first");
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  ExpectIdentity(server);
}

TEST(InferenceServiceTest, StreamsCancelledAtRandomAreAllAccountedFor) {
  TestServer server(WithMaps());
  const auto stub = StubOf(server);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&stub, i] {
      for (int round = 0; round < 25; ++round) {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() +
                             std::chrono::milliseconds((round * 7 + i) % 40));
        const auto stream = stub->ModelStreamInfer(&context);
        stream->Write(Question());
        stream->Write(Depth("", 30));
        ModelStreamInferResponse response;
        while (stream->Read(&response)) continue;
        stream->Finish();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ExpectIdentity(server);
}

}  // namespace
}  // namespace cooper::kserve
