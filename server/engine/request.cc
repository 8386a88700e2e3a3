#include "server/engine/request.h"

namespace cooper::engine {

int64_t Request::input_bytes() const {
  int64_t bytes = 0;
  for (const Input& input : inputs) {
    if (const auto* image = std::get_if<ImageInput>(&input)) {
      bytes += static_cast<int64_t>(image->bytes.size());
    } else {
      bytes += static_cast<int64_t>(std::get<TextInput>(input).text.size());
    }
  }
  return bytes;
}

}  // namespace cooper::engine
