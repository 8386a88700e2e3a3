#include "server/rpc/model_reply.h"

#include <gtest/gtest.h>

namespace cooper::rpc {
namespace {

TEST(ModelReply, TellsWhatWasLoaded) {
  model::ModelInfo info;
  info.parameters = 12;
  info.kv_capacity_tokens = 34;
  info.threads = 5;
  info.instruction_set = "avx2";
  info.files = {{"/m/tune\xFF/ema.safetensors", 3}, {"/m/ae.safetensors", 4}};
  const v1::GetModelResponse reply =
      MakeModelReply(info, RpcLimits(), engine::EngineOptions(), "1.2.3");
  EXPECT_EQ(reply.parameters(), 12);
  EXPECT_EQ(reply.limits().kv_cache_tokens(), 34);
  EXPECT_EQ(reply.threads(), 5);
  EXPECT_EQ(reply.instruction_set(), "avx2");
  EXPECT_EQ(reply.server_version(), "1.2.3");
  ASSERT_EQ(reply.files_size(), 2);
  // A string of the protocol must be UTF-8.
  EXPECT_EQ(reply.files(0).path(), "/m/tune\\xff/ema.safetensors");
  EXPECT_EQ(reply.files(0).tensors(), 3);
  EXPECT_EQ(reply.files(1).path(), "/m/ae.safetensors");
}

}  // namespace
}  // namespace cooper::rpc
