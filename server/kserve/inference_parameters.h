#ifndef COOPER_SERVER_KSERVE_INFERENCE_PARAMETERS_H_
#define COOPER_SERVER_KSERVE_INFERENCE_PARAMETERS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/protobuf/map.h"
#include "google/protobuf/message.h"
#include "inference/grpc_service.pb.h"

namespace cooper::kserve {

using InferenceParameters =
    google::protobuf::Map<std::string, inference::InferParameter>;

// Whether the caller wants a final response also where it is empty (Triton's
// parameter of ModelStreamInfer).
inline constexpr char kEmptyFinalParameter[] =
    "triton_enable_empty_final_response";

// Sets the options of a request of cooper.v1 from parameters of the same
// names: its own fields and those of its messages `flow` and `sampling`, as
// far as it has them. Whole numbers also serve as floating-point ones; an enum
// is the name of its value, with or without the enum's prefix. `priority` may
// also be Triton's number: 0 (the default) and 1 are normal, larger ones low.
// Parameters of the transport and of sequences are ignored.
// INVALID_ARGUMENT, with "parameters[name]": no such option, or a value of
// another type or out of the type's range.
absl::Status SetOptions(const InferenceParameters& parameters,
                        google::protobuf::Message* request);

// Triton's parameter `timeout`, in microseconds, of parameters that SetOptions
// accepts; infinite where it is absent or 0.
absl::Duration TimeoutOf(const InferenceParameters& parameters);

}  // namespace cooper::kserve

#endif  // COOPER_SERVER_KSERVE_INFERENCE_PARAMETERS_H_
