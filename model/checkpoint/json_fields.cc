#include "model/checkpoint/json_fields.h"

#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/logging.h"

namespace cooper::checkpoint {
namespace {

using nlohmann::json;

std::string Shown(const json& value) {
  return base::Printable(
      value.dump(-1, ' ', false, json::error_handler_t::replace));
}

// The value of an integer that fits int64.
std::optional<int64_t> AsInt(const json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() &&
      value.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()}) {
    return std::nullopt;
  }
  return value.get<int64_t>();
}

}  // namespace

void JsonFields::Fail(absl::string_view key, absl::string_view what) {
  if (!status_.ok()) return;
  status_ =
      absl::InvalidArgumentError(absl::StrCat(where_, ": ", key, ": ", what));
}

void JsonFields::RefuseUnknown(std::initializer_list<const char*> ignored) {
  if (!status_.ok()) return;
  asked_.insert(ignored.begin(), ignored.end());
  for (const auto& [key, value] : object_.items()) {
    if (asked_.count(key) == 0)
      return Fail(base::Printable(key), "unknown key");
  }
}

const json* JsonFields::Find(const char* key, Presence presence) {
  if (!status_.ok()) return nullptr;
  asked_.insert(key);
  const auto found = object_.find(key);
  if (found != object_.end() && !found->is_null()) return &*found;
  if (presence == Presence::kRequired) Fail(key, "missing");
  return nullptr;
}

void JsonFields::ReadInt(const char* key, Presence presence, int64_t low,
                         int64_t high, int64_t* out) {
  const json* value = Find(key, presence);
  if (value == nullptr) return;
  const std::optional<int64_t> number = AsInt(*value);
  if (!number || *number < low || *number > high) {
    Fail(key, absl::StrCat("must be an integer in [", low, ", ", high,
                           "], not ", Shown(*value)));
    return;
  }
  *out = *number;
}

void JsonFields::Double(const char* key, double low, double high, double* out) {
  const json* value = Find(key, Presence::kOptional);
  if (value == nullptr) return;
  const double number = value->is_number() ? value->get<double>() : NAN;
  if (!std::isfinite(number) || number < low || number > high) {
    Fail(key, absl::StrCat("must be a number in [", low, ", ", high, "], not ",
                           Shown(*value)));
    return;
  }
  *out = number;
}

void JsonFields::Bool(const char* key, bool* out) {
  const json* value = Find(key, Presence::kOptional);
  if (value == nullptr) return;
  if (!value->is_boolean()) {
    Fail(key, absl::StrCat("must be true or false, not ", Shown(*value)));
    return;
  }
  *out = value->get<bool>();
}

void JsonFields::String(const char* key, std::string* out) {
  const json* value = Find(key, Presence::kOptional);
  if (value == nullptr) return;
  if (!value->is_string()) {
    Fail(key, absl::StrCat("must be a string, not ", Shown(*value)));
    return;
  }
  *out = value->get<std::string>();
}

void JsonFields::Ints(const char* key, size_t max_count, int64_t low,
                      int64_t high, std::vector<int>* out) {
  const json* value = Find(key, Presence::kOptional);
  if (value == nullptr) return;
  std::vector<int> numbers;
  bool good =
      value->is_array() && !value->empty() && value->size() <= max_count;
  if (good) {
    for (const json& item : *value) {
      const std::optional<int64_t> number = AsInt(item);
      if (!number || *number < low || *number > high) {
        good = false;
        break;
      }
      numbers.push_back(static_cast<int>(*number));
    }
  }
  if (!good) {
    Fail(key,
         absl::StrCat("must be a list of 1 to ", max_count, " integers in [",
                      low, ", ", high, "], not ", Shown(*value)));
    return;
  }
  *out = numbers;
}

void JsonFields::Doubles(const char* key, size_t count,
                         std::vector<double>* out) {
  const json* value = Find(key, Presence::kOptional);
  if (value == nullptr) return;
  std::vector<double> numbers;
  if (value->is_array() && value->size() == count) {
    for (const json& item : *value) {
      if (item.is_number()) numbers.push_back(item.get<double>());
    }
  }
  if (numbers.size() != count) {
    Fail(key, absl::StrCat("must be a list of ", count, " numbers, not ",
                           Shown(*value)));
    return;
  }
  *out = numbers;
}

void JsonFields::Only(const char* key, const json& supported) {
  const json* value = Find(key, Presence::kOptional);
  if (value == nullptr || *value == supported) return;
  Fail(key, absl::StrCat("only ", Shown(supported), " is supported, not ",
                         Shown(*value)));
}

const json* JsonFields::Object(const char* key) {
  const json* value = Find(key, Presence::kOptional);
  if (value != nullptr && !value->is_object()) {
    Fail(key, absl::StrCat("must be an object, not ", Shown(*value)));
    return nullptr;
  }
  return value;
}

}  // namespace cooper::checkpoint
