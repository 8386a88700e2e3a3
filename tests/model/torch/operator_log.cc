#include "tests/model/torch/operator_log.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace cooper::torch_model {
namespace {

thread_local OperatorLog* g_log = nullptr;

// Operators that run no kernel of their own.
bool RunsNothing(const std::string& name) {
  static const auto* const kNames = new std::set<std::string>{
      // Views.
      "aten::_reshape_alias", "aten::_unsafe_view", "aten::alias",
      "aten::as_strided", "aten::chunk", "aten::detach", "aten::expand",
      "aten::flatten", "aten::narrow", "aten::permute", "aten::select",
      "aten::slice", "aten::split", "aten::squeeze", "aten::t",
      "aten::transpose", "aten::unflatten", "aten::unsqueeze", "aten::view",
      // Allocations, and questions to the host.
      "aten::empty", "aten::empty_like", "aten::empty_strided",
      "aten::new_empty", "aten::resize_", "aten::result_type",
      // Made of others, which run kernels where there is anything to do.
      "aten::_convolution", "aten::_to_copy", "aten::clone", "aten::contiguous",
      "aten::conv2d", "aten::convolution", "aten::expand_as", "aten::full",
      "aten::group_norm", "aten::layer_norm", "aten::linear", "aten::matmul",
      "aten::outer", "aten::reshape", "aten::scaled_dot_product_attention",
      "aten::square", "aten::to", "aten::type_as", "aten::zeros"};
  return kNames->contains(name);
}

}  // namespace

OperatorLog::OperatorLog() {
  COOPER_CHECK(g_log == nullptr);
  g_log = this;
  handle_ = at::addThreadLocalCallback(
      at::RecordFunctionCallback(&OperatorLog::OnStart, &OperatorLog::OnEnd)
          .needsInputs(true)
          .scopes({at::RecordScope::FUNCTION}));
}

OperatorLog::~OperatorLog() {
  at::removeCallback(handle_);
  g_log = nullptr;
}

std::unique_ptr<at::ObserverContext> OperatorLog::OnStart(
    const at::RecordFunction& function) {
  g_log->Start(function);
  return nullptr;
}

void OperatorLog::OnEnd(const at::RecordFunction& function,
                        at::ObserverContext* /*context*/) {
  g_log->End(function);
}

void OperatorLog::Start(const at::RecordFunction& function) {
  const std::string name = function.name();
  bool meta = false;
  bool host = false;
  bool host_source = false;  // whether the last tensor is the host's
  const auto see = [&](const at::Tensor& tensor) {
    if (!tensor.defined()) return;
    host_source = tensor.is_cpu();
    meta = meta || tensor.is_meta();
    host = host || (tensor.is_cpu() && tensor.dim() > 0);
  };
  for (const c10::IValue& input : function.inputs()) {
    if (input.isTensor()) see(input.toTensor());
    if (input.isTensorList()) {
      for (const at::Tensor& tensor : input.toTensorVector()) see(tensor);
    }
  }
  if (name == "aten::copy_") {
    if (meta && host_source) ++uploads_;
  } else if (meta && host) {
    mixed_.push_back(name);
  }
  open_.push_back({meta, false});
}

void OperatorLog::End(const at::RecordFunction& function) {
  const Open own = open_.back();
  open_.pop_back();
  const std::string name = function.name();
  const bool launches = own.meta && !own.launched && !RunsNothing(name);
  if (launches) ++launches_[name];
  if (!open_.empty()) {
    open_.back().launched = open_.back().launched || own.launched || launches;
  }
}

int OperatorLog::launches() const {
  int sum = 0;
  for (const auto& [name, count] : launches_) sum += count;
  return sum;
}

std::string OperatorLog::LaunchList() const {
  std::string list;
  for (const auto& [name, count] : launches_) {
    absl::StrAppend(&list, list.empty() ? "" : ", ", count, " ", name);
  }
  return list;
}

}  // namespace cooper::torch_model
