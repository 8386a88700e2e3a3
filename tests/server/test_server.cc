#include "tests/server/test_server.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "model/image/codec.h"

namespace cooper::testing {

void Gate::CloseFor(fake::FakeModel::Call call) {
  base::MutexLock lock(&mutex_);
  closed_for_ = call;
}

void Gate::Open() {
  base::MutexLock lock(&mutex_);
  closed_for_.reset();
}

void Gate::AwaitArrival() {
  base::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&waiting_));
}

void Gate::Pass(fake::FakeModel::Call call) {
  base::MutexLock lock(&mutex_);
  if (closed_for_ != call) return;
  waiting_ = true;
  mutex_.Await(absl::Condition(
      +[](std::optional<fake::FakeModel::Call>* closed_for) {
        return !closed_for->has_value();
      },
      &closed_for_));
  waiting_ = false;
}

TestServer::Options::Options() {
  rpc.listen = {"127.0.0.1", 0};
  rpc.watch_interval = absl::Milliseconds(5);
  // However full the machine is that the tests run on.
  rpc.memory.read = [] { return base::HostMemory{100, 100}; };
  rpc.version = "1.2.3";
  script.vae_rule = {64, 32, 16, 1 << 20};
  script.vit_rule = {56, 28, 14, 1 << 20};
}

TestServer::TestServer(const Options& options) : options_(options) {
  auto server =
      rpc::Server::Start(options.rpc, &serving_state_, &metrics_,
                         base::Clock::Real(), [this](rpc::ServerFault fault) {
                           ASSERT_EQ(fault, rpc::ServerFault::kEngineFailed);
                           engine_failed_.Notify();
                         });
  EXPECT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  if (options.loaded) Load();
}

TestServer::~TestServer() {
  gate_.Open();
  if (engine_ != nullptr) engine_->Shutdown(absl::InfinitePast());
}

void TestServer::Load() {
  fake::FakeModel::Hooks hooks;
  hooks.on_call = [this](const fake::FakeModel::Record& record) {
    gate_.Pass(record.call);
  };
  model_ = std::make_unique<fake::FakeModel>(options_.script, std::move(hooks));
  engine_ = std::make_unique<engine::Engine>(
      model_.get(), &metrics_, base::Clock::Real(), options_.engine);
  serving_state_.Fill({engine_.get(), &model_->info()});
  server_->SetReady(true);
}

std::shared_ptr<grpc::Channel> TestServer::NewChannel(bool fixed_window) {
  grpc::ChannelArguments own;
  own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (fixed_window) {
    own.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    own.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64 << 10);
  }
  return grpc::CreateCustomChannel(
      absl::StrCat("127.0.0.1:", server_->address().port),
      grpc::InsecureChannelCredentials(), own);
}

std::unique_ptr<v1::SpatialReasoningService::Stub> TestServer::NewStub() {
  return v1::SpatialReasoningService::NewStub(NewChannel());
}

std::string TestServer::HealthOf(const std::string& service) {
  const auto stub = grpc::health::v1::Health::NewStub(NewChannel());
  grpc::ClientContext context;
  grpc::health::v1::HealthCheckRequest request;
  grpc::health::v1::HealthCheckResponse response;
  request.set_service(service);
  const grpc::Status status = stub->Check(&context, request, &response);
  if (!status.ok()) {
    return absl::StatusCodeToString(
        static_cast<absl::StatusCode>(status.error_code()));
  }
  return grpc::health::v1::HealthCheckResponse::ServingStatus_Name(
      response.status());
}

grpc::StatusCode TestServer::CallMethod(const std::string& method) {
  grpc::GenericStub stub(NewChannel());
  grpc::ClientContext context;
  grpc::ByteBuffer request(nullptr, 0);
  grpc::ByteBuffer response;
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(&context, method, grpc::StubOptions(), &request, &response,
                 [&](grpc::Status end) {
                   status = std::move(end);
                   done.Notify();
                 });
  done.WaitForNotification();
  return status.error_code();
}

Scrape TestServer::Collect() const {
  return Scrape::Parse(
      prometheus::TextSerializer().Serialize(registry_.Collect()));
}

Scrape TestServer::CollectAtRest() const {
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  Scrape scrape = Collect();
  while (scrape.Sum("cooper_rpc_started_total") != 0 &&
         (scrape.Sum("cooper_requests_in_flight") != 0 ||
          !IdentityBreaches(scrape).empty()) &&
         absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(1));
    scrape = Collect();
  }
  return scrape;
}

std::string TestPng(int width, int height) {
  image::RgbImage picture;
  picture.size = {width, height};
  picture.pixels.resize(static_cast<size_t>(width) * height * 3, 100);
  return image::EncodePng(picture).value();
}

v1::ReasonRequest Question(const std::string& text) {
  v1::ReasonRequest request;
  request.add_inputs()->set_image(TestPng());
  request.add_inputs()->set_text(text);
  request.mutable_flow()->set_num_timesteps(4);
  return request;
}

Answer Ask(v1::SpatialReasoningService::Stub* stub,
           const v1::ReasonRequest& request, grpc::ClientContext* context) {
  Answer answer;
  const auto reader = stub->Reason(context, request);
  v1::Event event;
  while (reader->Read(&event)) answer.events.push_back(event);
  answer.status = reader->Finish();
  return answer;
}

Answer Ask(v1::SpatialReasoningService::Stub* stub,
           const v1::ReasonRequest& request) {
  grpc::ClientContext context;
  return Ask(stub, request, &context);
}

TestServer::Options WithMaps() {
  TestServer::Options options;
  options.script.texts = {
      "<think> a </think><depth-estimation> d </depth-estimation>",
      "<answer> \\boxed{b} </answer>"};
  return options;
}

void ExpectIdentity(const TestServer& server) {
  EXPECT_THAT(IdentityBreaches(server.CollectAtRest()), ::testing::IsEmpty());
}

google::rpc::ErrorInfo ErrorInfoOf(const grpc::Status& status) {
  google::rpc::Status wire;
  google::rpc::ErrorInfo info;
  wire.ParseFromString(status.error_details());
  for (const auto& detail : wire.details()) {
    if (detail.UnpackTo(&info)) return info;
  }
  return info;
}

}  // namespace cooper::testing
