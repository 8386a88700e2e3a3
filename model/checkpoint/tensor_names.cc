#include "model/checkpoint/tensor_names.h"

#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/logging.h"

namespace cooper::checkpoint {
namespace {

using IsKnown = std::function<bool(const std::string& name)>;

// What wrappers of modules put into names, anywhere.
constexpr const char* kWrappers[] = {"_orig_mod.", "_fsdp_wrapped_module.",
                                     "_checkpoint_wrapped_module.", "module."};
// What a part that was saved on its own lacks.
constexpr const char* kLackable[] = {"language_model.", "language_model.model.",
                                     "vit_model.", "vit_model.vision_model."};

// "begin with "module."", if `name` without that is known; empty: no such
// difference.
std::string DifferenceOf(const std::string& name, const IsKnown& is_known) {
  for (const char* wrapper : kWrappers) {
    if (!absl::StrContains(name, wrapper)) continue;
    if (is_known(absl::StrReplaceAll(name, {{wrapper, ""}}))) {
      return absl::StrCat(
          absl::StartsWith(name, wrapper) ? "begin with \"" : "contain \"",
          wrapper, "\"");
    }
  }
  std::string bare = name;
  for (const char* wrapper : kWrappers) {
    bare = absl::StrReplaceAll(bare, {{wrapper, ""}});
  }
  if (bare != name && is_known(bare)) return "contain names of wrappers";
  for (size_t dot = name.find('.'); dot != std::string::npos;
       dot = name.find('.', dot + 1)) {
    if (is_known(name.substr(dot + 1))) {
      return absl::StrCat("begin with \"", name.substr(0, dot + 1), "\"");
    }
  }
  for (const char* prefix : kLackable) {
    if (is_known(prefix + name)) return absl::StrCat("lack \"", prefix, "\"");
  }
  return "";
}

}  // namespace

std::optional<std::string> NamingFault(const std::vector<std::string>& unknown,
                                       size_t total, const IsKnown& is_known) {
  struct Found {
    size_t count = 0;
    std::string example;
  };
  std::map<std::string, Found> found;
  size_t adapters = 0;
  for (const std::string& name : unknown) {
    if (absl::StrContains(name, "lora_")) ++adapters;
    const std::string difference = DifferenceOf(name, is_known);
    if (difference.empty()) continue;
    Found& entry = found[difference];
    if (entry.count++ == 0) entry.example = name;
  }
  if (adapters > unknown.size() / 2) {
    return absl::StrCat("holds an adapter (\"",
                        base::Printable(unknown.front()),
                        "\"), which must be merged into the weights first");
  }
  const auto most = std::max_element(found.begin(), found.end(),
                                     [](const auto& a, const auto& b) {
                                       return a.second.count < b.second.count;
                                     });
  if (most == found.end() || most->second.count < (unknown.size() + 1) / 2) {
    return std::nullopt;
  }
  return absl::StrCat(
      most->second.count, " of its ", total, " tensor names ",
      base::Printable(most->first), ", as \"",
      base::Printable(most->second.example),
      "\" does, unlike the network's: rename the tensors, or save the bare "
      "model");
}

std::string FirstOf(const std::vector<std::string>& items, size_t most) {
  const size_t shown = std::min(items.size(), most);
  std::string text = absl::StrJoin(
      items.begin(), items.begin() + static_cast<std::ptrdiff_t>(shown), "; ");
  if (items.size() > shown) {
    absl::StrAppend(&text, "; and ", items.size() - shown, " more");
  }
  return text;
}

}  // namespace cooper::checkpoint
