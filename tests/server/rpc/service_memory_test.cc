// What callers see while the process is near its memory limit.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "tests/server/test_server.h"

namespace cooper::rpc {
namespace {

using cooper::testing::Ask;
using cooper::testing::ErrorInfoOf;
using cooper::testing::ExpectIdentity;
using cooper::testing::Question;
using cooper::testing::TestServer;

class ServiceMemoryTest : public ::testing::Test {
 protected:
  ServiceMemoryTest() {
    TestServer::Options options;
    options.rpc.memory.read = [this] {
      return base::HostMemory{.total_bytes = 100, .free_bytes = free_};
    };
    options.rpc.memory.trim = [] {};
    server_ = std::make_unique<TestServer>(options);
    stub_ = server_->NewStub();
  }

  // Sets what is free and waits until the watchdog saw it.
  void SetFree(int percent, int state) {
    free_ = percent;
    while (server_->Collect().Sum("cooper_overload_state") != state) {
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
  void ExpectRefused(const grpc::Status& status) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(ErrorInfoOf(status).reason(), "MEMORY_PRESSURE");
  }

  std::atomic<int> free_{100};
  std::unique_ptr<TestServer> server_;
  std::unique_ptr<v1::SpatialReasoningService::Stub> stub_;
};

TEST_F(ServiceMemoryTest, NewWorkIsRefusedUntilMemoryIsFreeAgain) {
  EXPECT_TRUE(Ask(stub_.get(), Question("q")).status.ok());
  SetFree(5, /*state=*/1);
  grpc::ClientContext context;
  ExpectRefused(Ask(stub_.get(), Question("q"), &context).status);
  EXPECT_EQ(context.GetServerTrailingMetadata().count("grpc-retry-pushback-ms"),
            1);
  EXPECT_EQ(server_->HealthOf("readiness"), "SERVING");
  grpc::ClientContext about;
  v1::GetModelResponse model;
  EXPECT_TRUE(stub_->GetModel(&about, {}, &model).ok());
  SetFree(30, /*state=*/0);
  EXPECT_TRUE(Ask(stub_.get(), Question("q")).status.ok());
  EXPECT_EQ(server_->CollectAtRest().Sum("cooper_rejections_total",
                                         {{"reason", "memory_pressure"}}),
            1);
  ExpectIdentity(*server_);
}

TEST_F(ServiceMemoryTest, AQuestionOfAConversationIsNewWork) {
  grpc::ClientContext context;
  const auto stream = stub_->Converse(&context);
  v1::ConverseRequest request;
  *request.mutable_start()->mutable_reason() = Question("q");
  ASSERT_TRUE(stream->Write(request));
  v1::Event event;
  while (stream->Read(&event) && !event.has_finished()) {
  }
  SetFree(5, /*state=*/1);
  request.mutable_ask()->add_inputs()->set_text("again");
  stream->Write(request);
  while (stream->Read(&event)) {
  }
  ExpectRefused(stream->Finish());
  ExpectIdentity(*server_);
}

TEST_F(ServiceMemoryTest, WorkUnderWayGoesOn) {
  server_->gate().CloseFor(fake::FakeModel::Call::kDecode);
  grpc::ClientContext context;
  const auto reader = stub_->Reason(&context, Question("q"));
  server_->gate().AwaitArrival();
  SetFree(5, /*state=*/1);
  server_->gate().Open();
  v1::Event event;
  while (reader->Read(&event)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
  ExpectIdentity(*server_);
}

}  // namespace
}  // namespace cooper::rpc
