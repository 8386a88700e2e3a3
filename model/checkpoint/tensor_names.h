#ifndef COOPER_MODEL_CHECKPOINT_TENSOR_NAMES_H_
#define COOPER_MODEL_CHECKPOINT_TENSOR_NAMES_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace cooper::checkpoint {

// Says in one clause how a file's `unknown` tensor names (of `total`) differ
// from those that `is_known` accepts: a prefix too many or too few, a wrapper's
// name inside, an adapter. nullopt: they have no such pattern.
std::optional<std::string> NamingFault(
    const std::vector<std::string>& unknown, size_t total,
    const std::function<bool(const std::string& name)>& is_known);

// The first `most` of `items`, joined, and how many more there are.
std::string FirstOf(const std::vector<std::string>& items, size_t most);

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_TENSOR_NAMES_H_
