#ifndef COOPER_CLIENT_CLI_FLAGS_H_
#define COOPER_CLIENT_CLI_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cooper/client/options.h"
#include "cooper/v1/spatial_reasoning.pb.h"

ABSL_DECLARE_FLAG(std::optional<std::string>, out);
ABSL_DECLARE_FLAG(bool, json);
ABSL_DECLARE_FLAG(std::string, service);

namespace cooper::client {

// Names of flags that come together in a command.
using FlagNames = std::vector<const char*>;
const FlagNames& ConnectionFlags();
const FlagNames& StreamFlags();    // --out, --json, and the common options
const FlagNames& ReasonFlags();    // only Reason has these
const FlagNames& SamplingFlags();  // texts
const FlagNames& FlowFlags();      // maps
const FlagNames& GenerateFlags();  // only GenerateImage has these

// What the connection flags say. INVALID_ARGUMENT names the flag.
absl::Status ReadConnection(ClientOptions* client, CallOptions* call);

// Each sets the fields whose flags were given and leaves the others unset, so
// that the server's defaults hold. INVALID_ARGUMENT names the flag and, for
// one of a list, the list.
absl::Status ReadOptions(v1::ReasonRequest* request);
absl::Status ReadOptions(v1::EstimateDepthRequest* request);
absl::Status ReadOptions(v1::SegmentRequest* request);
absl::Status ReadOptions(v1::GenerateImageRequest* request);
absl::Status ReadOptions(v1::GetModelRequest* request);

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_FLAGS_H_
