#include "server/rpc/metadata.h"

#include <iterator>

namespace cooper::rpc {

absl::string_view SingleValue(const grpc::CallbackServerContext& context,
                              const char* key) {
  const auto [first, last] = context.client_metadata().equal_range(key);
  if (first == last || std::next(first) != last) return "";
  return absl::string_view(first->second.data(), first->second.size());
}

}  // namespace cooper::rpc
