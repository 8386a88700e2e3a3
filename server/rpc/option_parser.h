#ifndef COOPER_SERVER_RPC_OPTION_PARSER_H_
#define COOPER_SERVER_RPC_OPTION_PARSER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cooper/v1/spatial_reasoning.pb.h"
#include "model/options.h"
#include "server/engine/core/request.h"

// The option messages that several requests share. Unset fields take the given
// default; errors are engine::InvalidField with paths such as
// "flow.num_timesteps". Thread-safe.

namespace cooper::rpc {

absl::StatusOr<model::FlowOptions> ParseFlow(
    const v1::FlowOptions& wire, const model::FlowOptions& defaults);
absl::StatusOr<model::SamplingOptions> ParseSampling(
    const v1::SamplingOptions& wire, const model::SamplingOptions& defaults);
absl::StatusOr<engine::OutputOptions> ParseOutput(
    const v1::OutputOptions& wire);

// Within [low, high], or an error that names the field and the range.
absl::Status CheckRange(absl::string_view field, int64_t value, int64_t low,
                        int64_t high);

// The caller's name for a request (at most 128 printable ASCII characters), or
// one drawn here (128 random bits, hex) if it is empty.
absl::StatusOr<std::string> ParseRequestId(const std::string& wire);

uint64_t DrawSeed();

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_OPTION_PARSER_H_
