#include "model/device_status.h"

#include "absl/strings/cord.h"

namespace cooper::model {
namespace {

constexpr char kPayload[] = "cooper.model/DeviceUnusable";

}  // namespace

absl::Status DeviceUnusable(absl::Status status) {
  if (!status.ok()) status.SetPayload(kPayload, absl::Cord("1"));
  return status;
}

bool IsDeviceUnusable(const absl::Status& status) {
  return status.GetPayload(kPayload).has_value();
}

}  // namespace cooper::model
