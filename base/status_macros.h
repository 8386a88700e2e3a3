#ifndef COOPER_BASE_STATUS_MACROS_H_
#define COOPER_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

// Returns the status from the enclosing function unless it is OK.
#define COOPER_RETURN_IF_ERROR(expr)                 \
  do {                                               \
    absl::Status cooper_status_ = (expr);            \
    if (!cooper_status_.ok()) return cooper_status_; \
  } while (false)

// `lhs` may be a declaration, so it cannot stand in parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
// Evaluates a StatusOr; returns its error, or moves its value into `lhs`,
// which may be a declaration.
#define COOPER_ASSIGN_OR_RETURN(lhs, expr) \
  COOPER_ASSIGN_OR_RETURN_IMPL_(           \
      COOPER_STATUS_CONCAT_(cooper_statusor_, __LINE__), lhs, expr)
#define COOPER_ASSIGN_OR_RETURN_IMPL_(name, lhs, expr) \
  auto name = (expr);                                  \
  if (!name.ok()) return std::move(name).status();     \
  lhs = *std::move(name)
// NOLINTEND(bugprone-macro-parentheses)
#define COOPER_STATUS_CONCAT_(a, b) COOPER_STATUS_CONCAT_IMPL_(a, b)
#define COOPER_STATUS_CONCAT_IMPL_(a, b) a##b

namespace cooper::base {

// The same code with `prefix: ` put before the message. OK stays OK.
inline absl::Status Annotate(const absl::Status& status,
                             absl::string_view prefix) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(),
                         absl::StrCat(prefix, ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    annotated.SetPayload(url, payload);
  });
  return annotated;
}

}  // namespace cooper::base

#endif  // COOPER_BASE_STATUS_MACROS_H_
