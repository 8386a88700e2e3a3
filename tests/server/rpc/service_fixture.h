#ifndef COOPER_TESTS_SERVER_RPC_SERVICE_FIXTURE_H_
#define COOPER_TESTS_SERVER_RPC_SERVICE_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>

#include "model/fake/fake_model.h"
#include "tests/server/test_server.h"

namespace cooper::rpc {

// For the tests of the service alone, which say these in every line.
using cooper::testing::Answer;
using cooper::testing::Ask;
using cooper::testing::ErrorInfoOf;
using cooper::testing::Question;
using cooper::testing::Scrape;
using cooper::testing::TestPng;
using cooper::testing::TestServer;
using cooper::testing::WithMaps;
using Call = fake::FakeModel::Call;

// A scenario over real sockets with a fake model. However it goes, at its end
// the counters add up.
class ServiceFixture : public ::testing::Test {
 protected:
  // Once a test.
  TestServer& Start(const TestServer::Options& options = {}) {
    server_ = std::make_unique<TestServer>(options);
    return *server_;
  }
  void TearDown() override {
    if (server_ != nullptr) cooper::testing::ExpectIdentity(*server_);
  }

 private:
  std::unique_ptr<TestServer> server_;
};

}  // namespace cooper::rpc

#endif  // COOPER_TESTS_SERVER_RPC_SERVICE_FIXTURE_H_
