#include "model/torch/guard.h"

#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <exception>
#include <new>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace cooper::torch_model {

absl::Status Guarded(const std::function<absl::Status()>& work) {
  try {
    const c10::InferenceMode no_gradients;
    return work();
  } catch (const c10::OutOfMemoryError& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("out of memory: ", error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    return absl::InternalError(
        absl::StrCat("libtorch: ", error.what_without_backtrace()));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("libtorch: ", error.what()));
  }
}

absl::Status Guarded(const Device& device,
                     const std::function<absl::Status()>& work) {
  if (device.is_cpu()) return Guarded(work);
  absl::Status status = Guarded([&] {
    COOPER_RETURN_IF_ERROR(device.layer->MakeCurrent(device.gpu));
    return work();
  });
  if (absl::IsResourceExhausted(status)) {
    COOPER_RETURN_IF_ERROR(device.layer->EmptyCache());
  }
  return status;
}

}  // namespace cooper::torch_model
