#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/gpu/accelerator.h"
#include "tests/bench/require.h"

namespace cooper::bench::internal {
namespace {

void Check(cudaError_t error) {
  if (error == cudaSuccess) return;
  Require(absl::InternalError(cudaGetErrorString(error)));
}

class Event {
 public:
  Event() { Check(cudaEventCreate(&event_)); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void Record(cudaStream_t stream) { Check(cudaEventRecord(event_, stream)); }
  double SecondsSince(const Event& earlier) {
    Check(cudaEventSynchronize(event_));
    float milliseconds = 0.0f;
    Check(cudaEventElapsedTime(&milliseconds, earlier.event_, event_));
    return milliseconds / 1e3;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

int Attribute(cudaDeviceAttr attribute, int index) {
  int value = 0;
  Check(cudaDeviceGetAttribute(&value, attribute, index));
  return value;
}

// 13000 -> "13.0".
std::string CudaVersion(int version) {
  return absl::StrCat(version / 1000, ".", version % 1000 / 10);
}

// libtorch links cuBLAS, whose headers need not be here.
std::string CublasVersion() {
  using GetProperty = int (*)(int property, int* value);
  const auto get =
      reinterpret_cast<GetProperty>(dlsym(RTLD_DEFAULT, "cublasGetProperty"));
  if (get == nullptr) return "unknown";
  int parts[3] = {};  // major, minor, patch
  for (int i = 0; i < 3; ++i) {
    if (get(i, &parts[i]) != 0) return "unknown";
  }
  return absl::StrCat(parts[0], ".", parts[1], ".", parts[2]);
}

}  // namespace

double CudaSeconds(int index, const std::function<void()>& work) {
  Check(cudaSetDevice(index));
  const cudaStream_t stream =
      c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(index))
          .stream();
  Event begin;
  Event end;
  Check(cudaDeviceSynchronize());
  begin.Record(stream);
  work();
  end.Record(stream);
  return end.SecondsSince(begin);
}

NamedFacts CudaFacts(int index) {
  cudaDeviceProp properties;
  Check(cudaGetDeviceProperties(&properties, index));
  int driver = 0;
  int runtime = 0;
  Check(cudaDriverGetVersion(&driver));
  Check(cudaRuntimeGetVersion(&runtime));
  return {
      {"device", absl::StrCat("cuda:", index)},
      {"gpu", properties.name},
      {"gpu memory", absl::StrCat(properties.totalGlobalMem >> 20, " MiB")},
      {"multiprocessors", absl::StrCat(properties.multiProcessorCount)},
      {"compute capability",
       absl::StrCat(properties.major, ".", properties.minor)},
      {"clocks, highest",
       absl::StrCat(Attribute(cudaDevAttrClockRate, index) / 1000, " MHz, ",
                    Attribute(cudaDevAttrMemoryClockRate, index) / 1000,
                    " MHz memory")},
      {"driver", absl::StrCat("CUDA ", CudaVersion(driver))},
      {"CUDA runtime", CudaVersion(runtime)},
      {"cuBLAS", CublasVersion()},
      {"cuDNN", absl::StrCat(at::detail::getCUDAHooks().versionRuntimeCuDNN())},
  };
}

}  // namespace cooper::bench::internal
