#ifndef COOPER_TESTS_MODEL_TORCH_OPERATOR_LOG_H_
#define COOPER_TESTS_MODEL_TORCH_OPERATOR_LOG_H_

#include <ATen/record_function.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace cooper::torch_model {

// The operators that libtorch dispatches on this thread, those within operators
// included, while the log lives. One at a time. For the meta device, which
// stands for a GPU.
class OperatorLog {
 public:
  OperatorLog();
  ~OperatorLog();
  OperatorLog(const OperatorLog&) = delete;
  OperatorLog& operator=(const OperatorLog&) = delete;

  // Operators on the meta device that a GPU runs a kernel for: neither a view,
  // nor an allocation, nor an operator that calls others for its work.
  int launches() const;
  // Copies of host tensors to the meta device.
  int uploads() const { return uploads_; }
  // Operators, other than such copies, that take tensors of both: a GPU refuses
  // them. Numbers of the host (tensors without dimensions) may go with any.
  const std::vector<std::string>& mixed() const { return mixed_; }
  // "3 aten::mm, ...": what launches() counts.
  std::string LaunchList() const;

 private:
  // An operator that has begun and not ended.
  struct Open {
    bool meta;
    bool launched;  // by an operator within it
  };

  static std::unique_ptr<at::ObserverContext> OnStart(
      const at::RecordFunction& function);
  static void OnEnd(const at::RecordFunction& function,
                    at::ObserverContext* context);
  void Start(const at::RecordFunction& function);
  void End(const at::RecordFunction& function);

  at::CallbackHandle handle_;
  std::vector<Open> open_;
  std::map<std::string, int> launches_;  // by name ("aten::mm")
  int uploads_ = 0;
  std::vector<std::string> mixed_;
};

}  // namespace cooper::torch_model

#endif  // COOPER_TESTS_MODEL_TORCH_OPERATOR_LOG_H_
