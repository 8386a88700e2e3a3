#include "client/proto_names.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace cooper::client {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// "MAP_ROLE_" of an enum whose value zero is MAP_ROLE_UNSPECIFIED.
absl::string_view Prefix(const EnumDescriptor& type) {
  const std::string& zero = type.value(0)->name();
  return absl::StripSuffix(zero, "UNSPECIFIED");
}

// Value of a scalar field; `index` below 0: of one that is not repeated.
std::string ValueText(const Message& message, const FieldDescriptor& field,
                      int index) {
  const auto* reflection = message.GetReflection();
  std::string scratch;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(reflection->GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(reflection->GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(reflection->GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrCat(reflection->GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return ShortName(
          *field.enum_type(),
          index < 0 ? reflection->GetEnumValue(message, &field)
                    : reflection->GetRepeatedEnumValue(message, &field, index));
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection->GetStringReference(message, &field, &scratch);
    default:
      return "";
  }
}

// `all`: fields that are not set, too.
void Append(const Message& message, bool all, std::vector<Fact>* facts) {
  const auto* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  if (all) {
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      fields.push_back(message.GetDescriptor()->field(i));
    }
  } else {
    reflection->ListFields(message, &fields);
  }
  for (const FieldDescriptor* field : fields) {
    if (field->type() == FieldDescriptor::TYPE_BYTES) continue;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (!field->is_repeated()) {
        Append(reflection->GetMessage(message, field), all, facts);
      }
      continue;
    }
    Fact fact{field->name(), ""};
    if (field->is_repeated()) {
      for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
        absl::StrAppend(&fact.value, i > 0 ? "," : "",
                        ValueText(message, *field, i));
      }
    } else {
      fact.value = ValueText(message, *field, -1);
    }
    facts->push_back(std::move(fact));
  }
}

}  // namespace

std::string ShortName(const EnumDescriptor& type, int value) {
  const auto* descriptor = type.FindValueByNumber(value);
  if (descriptor == nullptr) return absl::StrCat(value);
  return absl::AsciiStrToLower(
      absl::StripPrefix(descriptor->name(), Prefix(type)));
}

std::optional<int> ValueOf(const EnumDescriptor& type,
                           absl::string_view short_name) {
  for (int i = 1; i < type.value_count(); ++i) {
    const std::string name = ShortName(type, type.value(i)->number());
    if (absl::EqualsIgnoreCase(name, short_name)) {
      return type.value(i)->number();
    }
  }
  return std::nullopt;
}

std::vector<std::string> ShortNames(const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 1; i < type.value_count(); ++i) {
    names.push_back(ShortName(type, type.value(i)->number()));
  }
  return names;
}

std::vector<Fact> OptionsOf(const Message& request) {
  std::vector<Fact> facts;
  Append(request, /*all=*/false, &facts);
  return facts;
}

std::vector<Fact> AllFieldsOf(const Message& message) {
  std::vector<Fact> facts;
  Append(message, /*all=*/true, &facts);
  return facts;
}

}  // namespace cooper::client
