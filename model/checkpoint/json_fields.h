#ifndef COOPER_MODEL_CHECKPOINT_JSON_FIELDS_H_
#define COOPER_MODEL_CHECKPOINT_JSON_FIELDS_H_

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace cooper::checkpoint {

enum class Presence { kRequired, kOptional };

// Reads typed, range-checked fields of one JSON object and keeps the first
// error. An absent or null optional field leaves its output as it was; after
// an error all outputs keep what they have. Not thread-safe; the object must
// outlive the reader.
class JsonFields {
 public:
  // `where` starts every message: the file, and the path of a nested object.
  JsonFields(const nlohmann::json& object, std::string where)
      : object_(object), where_(std::move(where)) {}

  template <typename Integer>
  void Int(const char* key, Presence presence, int64_t low, int64_t high,
           Integer* out) {
    int64_t value = *out;
    ReadInt(key, presence, low, high, &value);
    *out = static_cast<Integer>(value);
  }
  // Finite, in [low, high].
  void Double(const char* key, double low, double high, double* out);
  void Bool(const char* key, bool* out);
  void String(const char* key, std::string* out);
  void Ints(const char* key, size_t max_count, int64_t low, int64_t high,
            std::vector<int>* out);
  void Doubles(const char* key, size_t count, std::vector<double>* out);
  // The one value that this program can serve, where the key is there.
  void Only(const char* key, const nlohmann::json& supported);
  // The object under `key`; null if absent (or not an object: an error).
  const nlohmann::json* Object(const char* key);

  // An error for the first key that was never asked for and is not `ignored`.
  void RefuseUnknown(std::initializer_list<const char*> ignored = {});

  // An error of the caller's about `key`, unless there is one already.
  void Fail(absl::string_view key, absl::string_view what);
  // Takes over an error of a nested object's reader.
  void Adopt(const absl::Status& status) {
    if (status_.ok()) status_ = status;
  }
  const absl::Status& status() const { return status_; }
  const std::string& where() const { return where_; }

 private:
  const nlohmann::json* Find(const char* key, Presence presence);
  void ReadInt(const char* key, Presence presence, int64_t low, int64_t high,
               int64_t* out);

  const nlohmann::json& object_;
  const std::string where_;
  std::set<std::string> asked_;
  absl::Status status_;
};

}  // namespace cooper::checkpoint

#endif  // COOPER_MODEL_CHECKPOINT_JSON_FIELDS_H_
