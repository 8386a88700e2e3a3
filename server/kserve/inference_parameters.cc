#include "server/kserve/inference_parameters.h"

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "cooper/v1/spatial_reasoning.pb.h"
#include "server/engine/core/error.h"

namespace cooper::kserve {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using inference::InferParameter;

constexpr char kTimeoutParameter[] = "timeout";
constexpr char kPriorityParameter[] = "priority";

// What clients of this protocol send beside a model's own options: how tensors
// are transported, and which sequence of a stateful model a request is part of.
constexpr absl::string_view kIgnored[] = {
    "binary_data",    "binary_data_output", "binary_data_size",
    "classification", "content_type",       "headers",
    "sequence_end",   "sequence_id",        "sequence_start"};

// A field of the request, in the message that has it.
struct Option {
  Message* message;
  const FieldDescriptor* field;
};

// The protocol has its own place for the other fields.
bool IsOption(const FieldDescriptor& field) {
  return !field.is_repeated() &&
         field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE &&
         field.cpp_type() != FieldDescriptor::CPPTYPE_STRING;
}

std::optional<Option> FindOption(const std::string& name, Message* request) {
  const auto* own = request->GetDescriptor()->FindFieldByName(name);
  if (own != nullptr && IsOption(*own)) return Option{request, own};
  for (const char* part : {"flow", "sampling"}) {
    const auto* holder = request->GetDescriptor()->FindFieldByName(part);
    if (holder == nullptr) continue;
    const auto* field = holder->message_type()->FindFieldByName(name);
    if (field == nullptr || !IsOption(*field)) continue;
    return Option{request->GetReflection()->MutableMessage(request, holder),
                  field};
  }
  return std::nullopt;
}

template <typename Integer>
std::optional<Integer> AsInteger(const InferParameter& value) {
  using Limits = std::numeric_limits<Integer>;
  if (value.has_uint64_param()) {
    if (value.uint64_param() > uint64_t{Limits::max()}) return std::nullopt;
    return static_cast<Integer>(value.uint64_param());
  }
  if (!value.has_int64_param()) return std::nullopt;
  const int64_t given = value.int64_param();
  if (given < 0 &&
      (!Limits::is_signed || given < static_cast<int64_t>(Limits::min()))) {
    return std::nullopt;
  }
  if (given > 0 &&
      static_cast<uint64_t>(given) > static_cast<uint64_t>(Limits::max())) {
    return std::nullopt;
  }
  return static_cast<Integer>(given);
}

std::optional<double> AsDouble(const InferParameter& value) {
  if (value.has_double_param()) return value.double_param();
  const auto whole = AsInteger<int64_t>(value);
  if (!whole.has_value()) return std::nullopt;
  return static_cast<double>(*whole);
}

// The value called `name` or, with the enum's prefix, `prefix name`.
const EnumValueDescriptor* AsEnum(const InferParameter& value,
                                  const EnumDescriptor& type) {
  const std::string name = absl::AsciiStrToUpper(value.string_param());
  std::string prefix = type.value(0)->name();
  prefix.resize(prefix.size() - sizeof("UNSPECIFIED") + 1);
  const auto* found = type.FindValueByName(name);
  if (found == nullptr) found = type.FindValueByName(prefix + name);
  return found != nullptr && found->number() != 0 ? found : nullptr;
}

std::string EnumNames(const EnumDescriptor& type) {
  std::string names;
  for (int i = 1; i < type.value_count(); ++i) {
    absl::StrAppend(&names, i > 1 ? ", " : "", type.value(i)->name());
  }
  return names;
}

// Sets the option; what it should have been, where the value is of another
// type.
std::optional<std::string> Set(const InferParameter& value,
                               const Option& option) {
  const auto* reflection = option.message->GetReflection();
  const auto set = [&](auto setter, const auto& parsed,
                       const char* wanted) -> std::optional<std::string> {
    if (!parsed.has_value()) return wanted;
    (reflection->*setter)(option.message, option.field, *parsed);
    return std::nullopt;
  };
  using Reflection = google::protobuf::Reflection;
  switch (option.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return set(&Reflection::SetInt32, AsInteger<int32_t>(value),
                 "a whole number of 32 bits");
    case FieldDescriptor::CPPTYPE_UINT64:
      return set(&Reflection::SetUInt64, AsInteger<uint64_t>(value),
                 "a whole number from 0 on");
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return set(&Reflection::SetDouble, AsDouble(value), "a number");
    case FieldDescriptor::CPPTYPE_BOOL:
      return set(&Reflection::SetBool,
                 value.has_bool_param()
                     ? std::optional<bool>(value.bool_param())
                     : std::nullopt,
                 "true or false");
    case FieldDescriptor::CPPTYPE_ENUM: {
      const EnumDescriptor& type = *option.field->enum_type();
      const auto level = AsInteger<uint64_t>(value);
      if (option.field->name() == kPriorityParameter && level.has_value()) {
        reflection->SetEnumValue(
            option.message, option.field,
            *level <= 1 ? v1::PRIORITY_NORMAL : v1::PRIORITY_LOW);
        return std::nullopt;
      }
      const auto* found = AsEnum(value, type);
      if (found == nullptr) return absl::StrCat("one of ", EnumNames(type));
      reflection->SetEnum(option.message, option.field, found);
      return std::nullopt;
    }
    default:
      return "left out";
  }
}

}  // namespace

absl::Status SetOptions(const InferenceParameters& parameters,
                        Message* request) {
  // In the order of their names, so that of several errors always the same is
  // told.
  const std::map<std::string, InferParameter> ordered(parameters.begin(),
                                                      parameters.end());
  for (const auto& [name, value] : ordered) {
    const std::string field =
        absl::StrCat("parameters[", base::Printable(name), "]");
    if (absl::c_linear_search(kIgnored, name)) continue;
    if (name == kEmptyFinalParameter) {
      if (value.has_bool_param()) continue;
      return engine::InvalidField(field, "must be true or false");
    }
    if (name == kTimeoutParameter) {
      const auto given = AsInteger<int64_t>(value);
      if (given.has_value() && *given >= 0) continue;
      return engine::InvalidField(
          field, "must be a whole number of microseconds from 0 on");
    }
    const std::optional<Option> option = FindOption(name, request);
    if (!option.has_value()) {
      return engine::InvalidField(field, "no such parameter of this model");
    }
    if (const auto wanted = Set(value, *option)) {
      return engine::InvalidField(field, absl::StrCat("must be ", *wanted));
    }
  }
  return absl::OkStatus();
}

absl::Duration TimeoutOf(const InferenceParameters& parameters) {
  const auto found = parameters.find(kTimeoutParameter);
  if (found == parameters.end()) return absl::InfiniteDuration();
  const auto given = AsInteger<int64_t>(found->second);
  if (!given.has_value() || *given <= 0) return absl::InfiniteDuration();
  return absl::Microseconds(*given);
}

}  // namespace cooper::kserve
