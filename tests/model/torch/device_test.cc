#include "model/torch/device.h"

#include <c10/util/Exception.h>

#include <chrono>
#include <thread>

#include "model/device_status.h"
#include "model/torch/guard.h"
#include "model/torch/torch_model.h"
#include "tests/model/torch/fake_device_layer.h"
#include "tests/model/torch/nano_model.h"
#include "tests/testing/status_matchers.h"

namespace cooper::torch_model {
namespace {

using cooper::testing::StatusIs;
using ::testing::_;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kFailedPrecondition = absl::StatusCode::kFailedPrecondition;

// Throws what libtorch throws where the GPU's memory runs out.
absl::Status RunOutOfMemory() {
  throw c10::OutOfMemoryError(c10::SourceLocation{__func__, __FILE__, __LINE__},
                              "scripted");
}

class DeviceTest : public ::testing::Test {
 protected:
  absl::StatusOr<Device> Select(const std::string& device,
                                const std::string& dtype = "float32") {
    return SelectDevice(device, dtype, &layer_);
  }

  FakeDeviceLayer layer_;
};

TEST_F(DeviceTest, AutoIsTheFirstGpu) {
  layer_.count = 2;
  const auto device = Select("auto", "auto");
  ASSERT_OK(device);
  EXPECT_EQ(device->name(), "cuda:0");
  EXPECT_EQ(device->dtype, at::kBFloat16);
  EXPECT_FALSE(device->is_cpu());
}

TEST_F(DeviceTest, AutoIsTheCpuWhereThereIsNoGpu) {
  layer_.count = absl::NotFoundError("there is no GPU driver");
  const auto device = Select("auto");
  ASSERT_OK(device);
  EXPECT_EQ(device->name(), "cpu");
}

TEST_F(DeviceTest, AutoDoesNotHideABrokenDriver) {
  layer_.count = absl::FailedPreconditionError("the driver is too old");
  const auto device = Select("auto");
  EXPECT_THAT(device.status(),
              StatusIs(kFailedPrecondition, HasSubstr("too old")));
  EXPECT_TRUE(model::IsDeviceUnusable(device.status()));
  EXPECT_OK(Select("cpu"));
}

TEST_F(DeviceTest, CudaIsTheFirstGpu) {
  const auto device = Select("cuda");
  ASSERT_OK(device);
  EXPECT_EQ(device->name(), "cuda:0");
  EXPECT_FALSE(device->fused_cpu());
}

TEST_F(DeviceTest, AGpuThatTheMachineLacksIsRefusedInOneLine) {
  const auto device = Select("cuda:7");
  EXPECT_THAT(device.status(),
              StatusIs(kFailedPrecondition,
                       AllOf(HasSubstr("cuda:7"), HasSubstr("1 GPU"),
                             Not(HasSubstr("\n")))));
  EXPECT_TRUE(model::IsDeviceUnusable(device.status()));
}

TEST_F(DeviceTest, AMachineWithoutAGpuSaysWhy) {
  layer_.count = absl::NotFoundError("there is no GPU driver");
  const auto device = Select("cuda:0");
  EXPECT_THAT(device.status(),
              StatusIs(kFailedPrecondition, HasSubstr("no GPU driver")));
  EXPECT_TRUE(model::IsDeviceUnusable(device.status()));
}

TEST_F(DeviceTest, AnotherNameIsABadArgumentAndNotTheDevices) {
  for (const char* name : {"gpu", "cuda:", "cuda:-1", "cuda:x", "CPU", ""}) {
    const auto device = Select(name);
    EXPECT_THAT(device.status(),
                StatusIs(absl::StatusCode::kInvalidArgument, _));
    EXPECT_FALSE(model::IsDeviceUnusable(device.status()));
  }
}

TEST_F(DeviceTest, AnOldGpuIsRefusedForBfloat16Only) {
  layer_.properties = {"Old GPU", 7, 5};
  const auto device = Select("cuda:0", "bfloat16");
  EXPECT_THAT(
      device.status(),
      StatusIs(kFailedPrecondition,
               AllOf(HasSubstr("Old GPU"), HasSubstr("7.5"),
                     HasSubstr("--dtype=float32"), Not(HasSubstr("\n")))));
  EXPECT_TRUE(model::IsDeviceUnusable(device.status()));
  EXPECT_FALSE(Select("cuda:0", "auto").ok());
  EXPECT_OK(Select("cuda:0", "float32"));
}

TEST_F(DeviceTest, WorkMakesItsGpuTheCurrentOne) {
  layer_.count = 2;
  const auto device = Select("cuda:1");
  ASSERT_OK(device);
  EXPECT_OK(Guarded(*device, [&] {
    EXPECT_THAT(layer_.current, ::testing::ElementsAre(1));
    return absl::OkStatus();
  }));
  EXPECT_OK(Guarded(Device{}, [] { return absl::OkStatus(); }));
  EXPECT_EQ(layer_.current.size(), 1);
}

TEST_F(DeviceTest, TheAllocatorIsEmptiedWhereMemoryRanOut) {
  const auto device = Select("cuda:0");
  ASSERT_OK(device);
  EXPECT_THAT(Guarded(*device, RunOutOfMemory),
              StatusIs(absl::StatusCode::kResourceExhausted, _));
  EXPECT_EQ(layer_.emptied, 1);
  EXPECT_THAT(
      Guarded(*device, []() -> absl::Status { throw std::logic_error("x"); }),
      StatusIs(absl::StatusCode::kInternal, _));
  EXPECT_EQ(layer_.emptied, 1);
}

// A model on a fake GPU.
class GpuModelTest : public DeviceTest {
 protected:
  GpuModelTest() {
    options_.checkpoint_dirs = {std::string(COOPER_TEST_DATA) +
                                "/goldens/nano"};
    options_.device = "cuda:0";
    options_.dtype = "float32";
    options_.kv_cache_mib = 16;
    options_.device_layer = &layer_;
  }

  std::unique_ptr<TorchModel> Load() {
    auto model = TorchModel::Load(options_);
    EXPECT_OK(model);
    return model.ok() ? *std::move(model) : nullptr;
  }

  static model::DecodeItem FirstToken(const TorchModel& model,
                                      model::Context* context) {
    model::DecodeItem item;
    item.context = context;
    item.token = model.text_codec().special().bos;
    return item;
  }

  LoadOptions options_;
};

TEST_F(GpuModelTest, WritesWhatTheCpuWrites) {
  const auto model = Load();
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->info().device, "cuda:0");
  const auto on_gpu = model->NewContext();
  const auto on_cpu = NanoModel().NewContext();
  PrefillAll(*model, on_gpu.get(), {SomeText(20, 3)});
  PrefillAll(NanoModel(), on_cpu.get(), {SomeText(20, 3)});
  EXPECT_EQ(DecodeTokens(*model, *on_gpu, 8),
            DecodeTokens(NanoModel(), *on_cpu, 8));
  EXPECT_GT(layer_.synchronized, 0);
  EXPECT_THAT(layer_.current, Each(0));
}

TEST_F(GpuModelTest, TooLittleMemoryIsRefusedWithTheBytesNeededAndFree) {
  layer_.memory = {int64_t{123456789}, int64_t{1} << 30};
  const auto model = TorchModel::Load(options_);
  EXPECT_THAT(model.status(),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("bytes needed"),
                             HasSubstr("123456789 of 1073741824 free"),
                             HasSubstr("cuda:0"), Not(HasSubstr("\n")))));
  EXPECT_TRUE(model::IsDeviceUnusable(model.status()));
}

TEST_F(GpuModelTest, ThePoolIsWhatTheLargestBatchesLeave) {
  options_.kv_cache_mib = 0;
  options_.prefill_rows = 256;
  options_.denoise_rows = 256;
  const int64_t workspace = int64_t{80} << 20;
  layer_.memory = {int64_t{1200} << 20, int64_t{4} << 30};
  layer_.allocator = {int64_t{1} << 20, int64_t{2} << 20, 0,
                      (int64_t{1} << 20) + workspace};
  const auto model = Load();
  ASSERT_NE(model, nullptr);
  const int64_t before = model->kv_usage().capacity_bytes;
  ASSERT_OK(model->WarmUp());
  EXPECT_EQ(layer_.peak_resets, 1);
  // Without a pool so much would be free, less the workspace and its margin.
  const int64_t left = layer_.memory.free_bytes + before - workspace -
                       (int64_t{1} << 30) - workspace / 8;
  const model::ModelInfo& info = model->info();
  const int64_t page = info.kv_page_tokens * info.kv_bytes_per_token;
  EXPECT_EQ(info.kv_capacity_tokens, left / page * info.kv_page_tokens);
  EXPECT_EQ(model->kv_usage().capacity_bytes, left / page * page);
  EXPECT_EQ(model->kv_usage().used_bytes, 0);
  const auto context = model->NewContext();
  PrefillAll(*model, context.get(), {SomeText(20, 3)});
}

TEST_F(GpuModelTest, AnAskedPoolIsKeptWhereTheBatchesFitBesideIt) {
  options_.prefill_rows = 256;
  options_.denoise_rows = 256;
  const auto model = Load();
  ASSERT_NE(model, nullptr);
  const int64_t before = model->info().kv_capacity_tokens;
  ASSERT_OK(model->WarmUp());
  EXPECT_EQ(model->info().kv_capacity_tokens, before);
  layer_.allocator.peak_reserved_bytes = layer_.memory.free_bytes;
  const absl::Status status = model->WarmUp();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               HasSubstr("bytes needed")));
  EXPECT_TRUE(model::IsDeviceUnusable(status));
}

TEST_F(GpuModelTest, AFaultDuringTheWarmUpIsTheDevices) {
  options_.prefill_rows = 256;
  options_.denoise_rows = 256;
  const auto model = Load();
  ASSERT_NE(model, nullptr);
  layer_.on_synchronize = [] { return absl::InternalError("a fault"); };
  absl::Status status = model->WarmUp();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal,
                               HasSubstr("cuda:0: a fault")));
  EXPECT_TRUE(model::IsDeviceUnusable(status));
  layer_.on_synchronize = RunOutOfMemory;
  status = model->WarmUp();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, _));
  EXPECT_TRUE(model::IsDeviceUnusable(status));
}

TEST_F(GpuModelTest, ItsMemoryIsThatOfTheLayer) {
  const auto model = Load();
  ASSERT_NE(model, nullptr);
  layer_.allocator.allocated_bytes = 11;
  layer_.allocator.reserved_bytes = 12;
  layer_.memory.free_bytes = 13;
  const auto memory = model->gpu_memory();
  ASSERT_TRUE(memory.has_value());
  EXPECT_EQ(memory->allocated_bytes, 11);
  EXPECT_EQ(memory->reserved_bytes, 12);
  EXPECT_EQ(memory->free_bytes, 13);
  EXPECT_FALSE(NanoModel().gpu_memory().has_value());
}

TEST_F(GpuModelTest, AGpuThatVanishesIsNoticedInTheNextSlice) {
  const auto model = Load();
  ASSERT_NE(model, nullptr);
  const auto context = model->NewContext();
  const model::Segment text = SomeText(20, 3);
  model::PrefillItem item{context.get(), &text, {}};
  const auto step = model->BeginPrefill(absl::MakeSpan(&item, 1));
  ASSERT_OK(step);
  layer_.on_synchronize = [] {
    return absl::InternalError("the GPU has fallen off the bus");
  };
  EXPECT_THAT((*step)->RunSlice(absl::ZeroDuration()).status(),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("fallen off")));
}

// Of 100 ms a slice plans 75: a second layer of 40 ms would end too late.
TEST_F(GpuModelTest, ASliceEndsBeforeALayerThatWouldExceedIt) {
  const auto model = Load();
  ASSERT_NE(model, nullptr);
  const auto context = model->NewContext();
  const model::Segment text = SomeText(20, 3);
  model::PrefillItem item{context.get(), &text, {}};
  const auto step = model->BeginPrefill(absl::MakeSpan(&item, 1));
  ASSERT_OK(step);
  layer_.on_synchronize = [] {
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
    return absl::OkStatus();
  };
  const int before = layer_.synchronized;
  const auto done = (*step)->RunSlice(absl::Milliseconds(100));
  ASSERT_OK(done);
  EXPECT_FALSE(*done);
  EXPECT_EQ(layer_.synchronized, before + 1);
}

TEST_F(GpuModelTest, NoCallUsesAGpuThatVanished) {
  const auto model = Load();
  ASSERT_NE(model, nullptr);
  const auto context = model->NewContext();
  layer_.on_make_current = [] {
    return absl::InternalError("the GPU has fallen off the bus");
  };
  const auto is_gone =
      StatusIs(absl::StatusCode::kInternal, HasSubstr("fallen off"));
  const model::Segment text = SomeText(20, 3);
  model::PrefillItem append{context.get(), &text, {}};
  EXPECT_THAT(model->BeginPrefill(absl::MakeSpan(&append, 1)).status(),
              is_gone);
  model::DecodeItem decode = FirstToken(*model, context.get());
  EXPECT_THAT(model->Decode(absl::MakeSpan(&decode, 1)), is_gone);
}

}  // namespace
}  // namespace cooper::torch_model
