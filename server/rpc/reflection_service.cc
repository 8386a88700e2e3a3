#include "server/rpc/reflection_service.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "server/rpc/message.h"
#include "server/rpc/status.h"

namespace cooper::rpc {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;

constexpr MessageLimits kLimits = {.max_bytes = 16 << 10, .max_elements = 16};

// The full names of the service in both versions. Naming the messages links
// their files into the program.
std::vector<std::string> OwnServices() {
  std::vector<std::string> names;
  for (const FileDescriptor* file :
       {ServerReflectionRequest::descriptor()->file(),
        grpc::reflection::v1alpha::ServerReflectionRequest::descriptor()
            ->file()}) {
    names.push_back(file->service(0)->full_name());
  }
  return names;
}

// Adds `file` and what it imports, each once.
void AddFiles(const FileDescriptor& file,
              absl::flat_hash_set<const FileDescriptor*>* added,
              grpc::reflection::v1::FileDescriptorResponse* response) {
  if (!added->insert(&file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  response->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) {
    AddFiles(*file.dependency(i), added, response);
  }
}

void Fail(grpc::StatusCode code, const std::string& message,
          ServerReflectionResponse* response) {
  response->mutable_error_response()->set_error_code(code);
  response->mutable_error_response()->set_error_message(message);
}

void TellFile(const FileDescriptor* file, ServerReflectionResponse* response) {
  if (file == nullptr) {
    return Fail(grpc::StatusCode::NOT_FOUND, "not found", response);
  }
  absl::flat_hash_set<const FileDescriptor*> added;
  AddFiles(*file, &added, response->mutable_file_descriptor_response());
}

void Answer(const ServerReflectionRequest& request,
            const std::vector<std::string>& services,
            ServerReflectionResponse* response) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  response->set_valid_host(request.host());
  *response->mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename:
      return TellFile(pool.FindFileByName(request.file_by_filename()),
                      response);
    case ServerReflectionRequest::kFileContainingSymbol:
      return TellFile(
          pool.FindFileContainingSymbol(request.file_containing_symbol()),
          response);
    case ServerReflectionRequest::kFileContainingExtension:
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      return Fail(grpc::StatusCode::NOT_FOUND, "no message has extensions",
                  response);
    case ServerReflectionRequest::kListServices:
      for (const std::string& name : services) {
        response->mutable_list_services_response()->add_service()->set_name(
            name);
      }
      return;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      return Fail(grpc::StatusCode::INVALID_ARGUMENT, "no request", response);
  }
}

}  // namespace

// One call: reads a request, writes its answer, reads the next.
class ReflectionService::Call final : public Reactor {
 public:
  Call(const std::vector<std::string>& services, const absl::Status& checked)
      : services_(services) {
    if (checked.ok()) {
      StartRead(&bytes_);
    } else {
      Finish(ToGrpcStatus(checked));
    }
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    ServerReflectionRequest request;
    const absl::Status parsed = ParseMessage(bytes_, kLimits, &request);
    if (!parsed.ok()) return Finish(ToGrpcStatus(parsed));
    ServerReflectionResponse response;
    Answer(request, services_, &response);
    bytes_ = SerializeMessage(response);
    StartWrite(&bytes_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    bytes_.Clear();
    StartRead(&bytes_);
  }
  void OnDone() override { delete this; }

  const std::vector<std::string>& services_;
  grpc::ByteBuffer bytes_;  // gRPC's while it is read or written
};

ReflectionService::ReflectionService(std::vector<std::string> services,
                                     const CallerCheck& check)
    : check_(check), services_(std::move(services)) {
  for (std::string& name : OwnServices()) services_.push_back(std::move(name));
  std::sort(services_.begin(), services_.end());
}

void ReflectionService::AddTo(MethodTable* methods) {
  for (const std::string& name : OwnServices()) {
    methods->Add(absl::StrCat("/", name, "/ServerReflectionInfo"),
                 [this](CallContext* context) {
                   return new Call(services_, check_.CheckIdentity(*context));
                 });
  }
}

}  // namespace cooper::rpc
