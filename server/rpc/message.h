#ifndef COOPER_SERVER_RPC_MESSAGE_H_
#define COOPER_SERVER_RPC_MESSAGE_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Messages as gRPC hands them over: bytes, which are checked before anything
// is made of them.

namespace cooper::rpc {

// What one request message may be.
struct MessageLimits {
  int64_t max_bytes = int64_t{32} << 20;  // on the wire
  // Submessages, elements of repeated strings and bytes, and unknown fields
  // together. A few bytes of the wire make hundreds in memory of each.
  int max_elements = 10000;
};

// Reads the wire format of `bytes` as a message of `type` without making it.
// What is inside of packed numbers is left to the parser.
// Returns about how many bytes the parsed message takes.
//
// INVALID_ARGUMENT names the field: bytes that are no message, a string that is
// not UTF-8, too many elements, or packed numbers that take more than twice
// `max_bytes`. RESOURCE_EXHAUSTED (MESSAGE_TOO_LARGE): more than `max_bytes`.
absl::StatusOr<int64_t> CheckMessage(const grpc::ByteBuffer& bytes,
                                     const google::protobuf::Descriptor& type,
                                     const MessageLimits& limits);

// Checks `bytes` and parses them into *message. Errors as of CheckMessage.
absl::Status ParseMessage(const grpc::ByteBuffer& bytes,
                          const MessageLimits& limits,
                          google::protobuf::Message* message);

grpc::ByteBuffer SerializeMessage(const google::protobuf::Message& message);

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_MESSAGE_H_
