#ifndef COOPER_CLIENT_PROTO_NAMES_H_
#define COOPER_CLIENT_PROTO_NAMES_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace cooper::client {

// The short name of an enum's value: MAP_ROLE_DISPLAY is "display". Unknown
// numbers give the number.
std::string ShortName(const google::protobuf::EnumDescriptor& type, int value);
template <typename Enum>
std::string ShortName(Enum value) {
  return ShortName(*google::protobuf::GetEnumDescriptor<Enum>(), value);
}

// The value with that short name, case ignored; never the unspecified one.
std::optional<int> ValueOf(const google::protobuf::EnumDescriptor& type,
                           absl::string_view short_name);

// The short names of an enum, but for the unspecified one.
std::vector<std::string> ShortNames(
    const google::protobuf::EnumDescriptor& type);

// A field that is set, as it would be given as a flag.
struct Fact {
  std::string name;
  std::string value;
};

// The options that `request` sets, in the order of their fields, those of
// messages inside it included; bytes and repeated messages (the inputs) are
// left out, as they are no options.
std::vector<Fact> OptionsOf(const google::protobuf::Message& request);

// All fields of `message`, set or not, but for repeated messages and bytes;
// those of messages inside it included.
std::vector<Fact> AllFieldsOf(const google::protobuf::Message& message);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_PROTO_NAMES_H_
