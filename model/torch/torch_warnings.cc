#include "model/torch/torch_warnings.h"

#include <c10/util/Exception.h>

#include "base/logging.h"

namespace cooper::torch_model {
namespace {

class Handler final : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override {
    base::Log(base::LogLevel::kWarning, "libtorch",
              {{"text", base::Printable(warning.msg(), 1000)}});
  }
};

}  // namespace

void LogTorchWarnings() {
  static Handler handler;
  c10::WarningUtils::set_warning_handler(&handler);
}

}  // namespace cooper::torch_model
