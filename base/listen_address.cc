#include "base/listen_address.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/logging.h"

namespace cooper::base {

absl::StatusOr<ListenAddress> ListenAddress::Parse(absl::string_view text) {
  const auto bad = [&] {
    return absl::InvalidArgumentError(
        absl::StrCat("must be HOST:PORT with a port in [0, 65535], not \"",
                     Printable(text), "\""));
  };
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos || colon == 0) return bad();
  ListenAddress address;
  address.host = std::string(text.substr(0, colon));
  absl::string_view name = address.host;
  const bool bracketed =
      absl::ConsumePrefix(&name, "[") && absl::ConsumeSuffix(&name, "]");
  if (name.empty() ||
      !std::all_of(name.begin(), name.end(), absl::ascii_isgraph) ||
      name.find_first_of(bracketed ? "[]" : "[]:") != name.npos) {
    return bad();
  }
  const absl::string_view port = text.substr(colon + 1);
  if (port.empty() ||
      !std::all_of(port.begin(), port.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(port, &address.port) || address.port > 65535) {
    return bad();
  }
  return address;
}

std::string ListenAddress::ToString() const {
  return absl::StrCat(host, ":", port);
}

bool ListenAddress::IsLoopback() const {
  absl::string_view name = host;
  absl::ConsumePrefix(&name, "[");
  absl::ConsumeSuffix(&name, "]");
  in6_addr six;
  if (inet_pton(AF_INET6, std::string(name).c_str(), &six) == 1) {
    return IN6_IS_ADDR_LOOPBACK(&six) ||
           (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
  }
  in_addr four;
  if (inet_pton(AF_INET, host.c_str(), &four) == 1) {
    return ntohl(four.s_addr) >> 24 == 127;
  }
  return absl::EqualsIgnoreCase(host, "localhost");
}

}  // namespace cooper::base
