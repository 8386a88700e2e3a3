// The options are the one source of the flags' defaults, and --help shows them.
#include "server/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/model_source.h"
#include "tests/testing/status_matchers.h"

namespace cooper {
namespace {

using cooper::testing::StatusIs;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

std::string Help() {
  FILE* const pipe = popen(COOPER_SERVER_BINARY " --help", "r");
  std::string text;
  char buffer[4096];
  while (std::fgets(buffer, sizeof(buffer), pipe) != nullptr) text += buffer;
  pclose(pipe);
  return text;
}

// name -> the value after "default: ", without its quotes.
std::vector<std::pair<std::string, std::string>> DefaultsIn(
    const std::string& help) {
  std::vector<std::pair<std::string, std::string>> found;
  size_t at = 0;
  while ((at = help.find("    --", at)) != std::string::npos) {
    const size_t name_end = help.find(' ', at + 6);
    const std::string name = help.substr(at + 6, name_end - at - 6);
    const size_t next = help.find("\n    --", name_end);
    const size_t value = help.rfind("default: ", next) + 9;
    std::string text = help.substr(value, help.find(';', value) - value);
    std::erase(text, '"');
    found.emplace_back(name, text);
    at = name_end;
  }
  return found;
}

TEST(FlagsTest, WithoutFlagsTheOptionsAreTheirDefaults) {
  LifecycleOptions read;
  ASSERT_OK(ReadFlags(&read));
  const LifecycleOptions defaults;
  EXPECT_EQ(read.rpc.listen.ToString(), defaults.rpc.listen.ToString());
  EXPECT_EQ(read.rpc.limits.max_message_bytes,
            defaults.rpc.limits.max_message_bytes);
  EXPECT_EQ(read.rpc.limits.max_inputs, defaults.rpc.limits.max_inputs);
  EXPECT_EQ(read.rpc.limits.max_images, defaults.rpc.limits.max_images);
  EXPECT_EQ(read.engine.image_limits.max_pixels,
            defaults.engine.image_limits.max_pixels);
  EXPECT_EQ(read.rpc.auth_token_file, defaults.rpc.auth_token_file);
  EXPECT_EQ(read.rpc.allow_plaintext_tokens,
            defaults.rpc.allow_plaintext_tokens);
  EXPECT_EQ(read.rpc.reflection, defaults.rpc.reflection);
  EXPECT_EQ(read.rpc.stall_timeout, defaults.rpc.stall_timeout);
  EXPECT_EQ(read.rpc.stuck_after, defaults.rpc.stuck_after);
  EXPECT_EQ(read.rpc.max_deadline, defaults.rpc.max_deadline);
  EXPECT_EQ(read.rpc.max_connection_age, defaults.rpc.max_connection_age);
  EXPECT_EQ(read.metrics_listen->ToString(),
            defaults.metrics_listen->ToString());
  EXPECT_EQ(read.drain_timeout, defaults.drain_timeout);
  EXPECT_EQ(read.tracing.endpoint, defaults.tracing.endpoint);
  EXPECT_EQ(read.tracing.sample_ratio, defaults.tracing.sample_ratio);
  EXPECT_EQ(read.engine.max_running, defaults.engine.max_running);
  EXPECT_EQ(read.engine.max_queue, defaults.engine.max_queue);
  EXPECT_EQ(read.engine.max_per_client, defaults.engine.max_per_client);
  EXPECT_EQ(read.engine.max_queue_delay, defaults.engine.max_queue_delay);
  EXPECT_EQ(read.engine.queue_timeout, defaults.engine.queue_timeout);
  EXPECT_EQ(read.engine.prefix_cache_bytes, defaults.engine.prefix_cache_bytes);
  EXPECT_EQ(read.engine.session_ttl, defaults.engine.session_ttl);
  EXPECT_EQ(read.engine.session_bytes, defaults.engine.session_bytes);
  EXPECT_EQ(read.engine.slice, defaults.engine.slice);
  EXPECT_EQ(read.engine.prepare_threads, defaults.engine.prepare_threads);
  EXPECT_EQ(read.engine.encode_threads, defaults.engine.encode_threads);
}

TEST(FlagsTest, TheMemoryBudgetIsSplitAmongItsUsers) {
  absl::CommandLineFlag* const flag =
      absl::FindCommandLineFlag("memory_budget_mib");
  std::string error;
  ASSERT_TRUE(flag->ParseFrom("600", &error)) << error;
  LifecycleOptions read;
  ASSERT_OK(ReadFlags(&read));
  EXPECT_EQ(read.rpc.receive_bytes, int64_t{300} << 20);
  EXPECT_EQ(read.rpc.answer_bytes, int64_t{100} << 20);
  EXPECT_EQ(read.engine.max_queue_bytes, int64_t{100} << 20);
  EXPECT_EQ(read.engine.decode_bytes, int64_t{100} << 20);
  ASSERT_TRUE(flag->ParseFrom("0", &error)) << error;
}

TEST(FlagsTest, LimitsOfImagesAreRaisedTogetherWithTheInputs) {
  absl::FlagSaver saver;
  const auto set = [](absl::string_view name, absl::string_view value) {
    std::string error;
    ASSERT_TRUE(absl::FindCommandLineFlag(name)->ParseFrom(value, &error));
  };
  set("max_images", "30");
  set("max_image_pixels", "360000000");
  LifecycleOptions read;
  ASSERT_OK(ReadFlags(&read));
  EXPECT_EQ(read.rpc.limits.max_images, 30);
  EXPECT_EQ(read.rpc.limits.max_inputs, 64);
  EXPECT_EQ(read.engine.image_limits.max_pixels, 360000000);
  set("max_images", "512");
  ASSERT_OK(ReadFlags(&read));
  EXPECT_EQ(read.rpc.limits.max_inputs, 1024);
  for (const char* value : {"0", "513", "-1"}) {
    set("max_images", value);
    EXPECT_THAT(ReadFlags(&read), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("max_images: must be")));
  }
  set("max_images", "8");
  for (const char* value : {"0", "1073741825"}) {
    set("max_image_pixels", value);
    EXPECT_THAT(ReadFlags(&read),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("max_image_pixels: must be")));
  }
}

TEST(FlagsTest, HelpShowsTheDefaultOfEveryOption) {
  const LifecycleOptions options;
  const ModelSource source;
  const auto duration = [](absl::Duration value) {
    return absl::FormatDuration(value);
  };
  const auto boolean = [](bool value) { return value ? "true" : "false"; };
  const auto mib = [](int64_t bytes) {
    return absl::StrCat(bytes < 0 ? bytes : bytes >> 20);
  };
  const engine::EngineOptions& engine = options.engine;
  const rpc::ServerOptions& rpc = options.rpc;
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"allow_plaintext_tokens", boolean(rpc.allow_plaintext_tokens)},
      {"auth_token_file", rpc.auth_token_file},
      {"check_weights", boolean(source.check_weights)},
      {"checkpoint", ""},
      {"deterministic", boolean(source.deterministic)},
      {"device", source.device},
      {"drain_timeout", duration(options.drain_timeout)},
      {"dtype", source.dtype},
      {"encode_threads", absl::StrCat(engine.encode_threads)},
      {"health_listen", ""},
      {"kv_cache_mib", absl::StrCat(source.kv_cache_mib)},
      {"listen", rpc.listen.ToString()},
      {"log_format", "text"},
      {"max_connection_age", duration(rpc.max_connection_age)},
      {"max_connections", absl::StrCat(rpc.connections.total)},
      {"max_connections_per_address",
       absl::StrCat(rpc.connections.per_address)},
      {"max_deadline", duration(rpc.max_deadline)},
      {"max_image_pixels", absl::StrCat(engine.image_limits.max_pixels)},
      {"max_images", absl::StrCat(rpc.limits.max_images)},
      {"max_message_mib", mib(rpc.limits.max_message_bytes)},
      {"max_per_client", absl::StrCat(engine.max_per_client)},
      {"max_queue", absl::StrCat(engine.max_queue)},
      {"max_queue_delay", duration(engine.max_queue_delay)},
      {"max_running", absl::StrCat(engine.max_running)},
      {"memory_budget_mib", "0"},
      {"metrics_listen", options.metrics_listen->ToString()},
      {"otlp_traces_endpoint", options.tracing.endpoint},
      {"policy_file", rpc.policy_file},
      {"prefix_cache_mib", mib(engine.prefix_cache_bytes)},
      {"prefix_cache_scope", ""},
      {"prepare_threads", absl::StrCat(engine.prepare_threads)},
      {"queue_timeout", duration(engine.queue_timeout)},
      {"receive_timeout", duration(rpc.receive_timeout)},
      {"reflection", boolean(rpc.reflection)},
      {"session_mib", mib(engine.session_bytes)},
      {"session_ttl", duration(engine.session_ttl)},
      {"slice_ms", absl::StrCat(absl::ToInt64Milliseconds(engine.slice))},
      {"stall_timeout", duration(rpc.stall_timeout)},
      {"stuck_after", duration(rpc.stuck_after)},
      {"threads", absl::StrCat(source.threads)},
      {"tls_cert", rpc.tls.cert},
      {"tls_client_ca", rpc.tls.client_ca},
      {"tls_crl", rpc.tls.crl},
      {"tls_key", rpc.tls.key},
      {"trace_sample_ratio", absl::StrCat(options.tracing.sample_ratio)},
  };
  EXPECT_THAT(DefaultsIn(Help()), ElementsAreArray(expected));
}

TEST(FlagsTest, EveryFlagIsInHelp) {
  const std::string help = Help();
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    if (!absl::EndsWith(flag->Filename(), kFlagsFile)) continue;
    EXPECT_TRUE(absl::StrContains(help, absl::StrCat("    --", name, " ")))
        << name;
  }
}

}  // namespace
}  // namespace cooper
