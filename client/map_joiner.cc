#include "cooper/client/map_joiner.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace cooper::client {
namespace {

template <typename... Pieces>
absl::Status Broken(const v1::MapResult& part, const Pieces&... pieces) {
  return absl::DataLossError(absl::StrCat("map ", part.map_id(), ", ",
                                          v1::MapRole_Name(part.role()), ": ",
                                          pieces...));
}

bool SameFacts(const v1::MapResult& a, const v1::MapResult& b) {
  return a.kind() == b.kind() && a.encoding() == b.encoding() &&
         a.width() == b.width() && a.height() == b.height() &&
         a.total_bytes() == b.total_bytes();
}

int64_t SizeOf(const v1::MapResult& map) {
  return static_cast<int64_t>(map.data().size());
}

}  // namespace

absl::StatusOr<std::optional<v1::MapResult>> MapJoiner::Add(
    v1::MapResult part) {
  const int64_t total = part.total_bytes();
  const auto begun = begun_.find({part.map_id(), part.role()});
  const int64_t expected = begun == begun_.end() ? 0 : SizeOf(begun->second);
  if (part.offset_bytes() != expected) {
    return Broken(part, "a part starts at byte ", part.offset_bytes(),
                  " where byte ", expected, " comes next");
  }
  if (part.data().empty()) return Broken(part, "a part has no bytes");
  if (SizeOf(part) > total - expected) {
    return Broken(part, expected + SizeOf(part), " bytes came of ", total,
                  " announced");
  }
  if (begun != begun_.end() && !SameFacts(begun->second, part)) {
    return Broken(part, "parts disagree about what they are parts of");
  }
  if (expected == 0 && SizeOf(part) == total) return part;

  if (held_bytes_ + SizeOf(part) > max_bytes_ || total > max_bytes_) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "map ", part.map_id(), ": ", total, " bytes do not fit into the ",
        max_bytes_, " that this client joins"));
  }
  held_bytes_ += SizeOf(part);
  if (begun == begun_.end()) {
    const Key key(part.map_id(), part.role());
    begun_.emplace(key, std::move(part));
    return std::nullopt;
  }
  begun->second.mutable_data()->append(part.data());
  if (SizeOf(begun->second) < total) return std::nullopt;
  v1::MapResult whole = std::move(begun->second);
  begun_.erase(begun);
  held_bytes_ -= total;
  return whole;
}

absl::Status MapJoiner::CheckComplete() const {
  if (begun_.empty()) return absl::OkStatus();
  const v1::MapResult& map = begun_.begin()->second;
  return Broken(map, "only ", SizeOf(map), " of ", map.total_bytes(),
                " bytes came");
}

}  // namespace cooper::client
