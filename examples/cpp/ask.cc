// Asks a COOPER server a question about an image, prints what the model writes
// and saves the maps that it draws.
//
//   ask HOST:PORT IMAGE "QUESTION" [FOLDER]

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cooper/client/client.h"

namespace {

using cooper::client::CallOptions;
using cooper::client::Client;
using cooper::client::ClientOptions;
using cooper::client::Error;
using cooper::client::Event;
using cooper::client::EventStream;
namespace v1 = cooper::v1;

bool SaveMap(const v1::MapResult& map, const std::string& folder) {
  const std::string path =
      folder + "/map" + std::to_string(map.map_id()) + ".png";
  std::ofstream file(path, std::ios::binary);
  file << map.data() << std::flush;
  std::cout << "\n[" << path << ": " << map.width() << " x " << map.height()
            << " pixels]\n";
  return file.good();
}

int Fail(const absl::Status& status) {
  const Error error = Error::FromStatus(status);
  std::cerr << "ask: " << status;
  if (!error.reason.empty()) std::cerr << " (" << error.reason << ")";
  if (error.retry_delay) {
    std::cerr << "; try again in " << absl::FormatDuration(*error.retry_delay);
  }
  std::cerr << "\n";
  return EXIT_FAILURE;
}

int Ask(Client& client, const v1::ReasonRequest& request,
        const std::string& folder) {
  CallOptions options;
  options.timeout = absl::Minutes(5);
  const std::unique_ptr<EventStream> stream = client.Reason(request, options);
  for (Event event; stream->Next(&event);) {
    if (event.has_text_delta()) {
      std::cout << event.text_delta().text() << std::flush;
    } else if (event.has_map()) {
      if (!SaveMap(event.map(), folder)) {
        return Fail(absl::DataLossError("cannot write to " + folder));
      }
    } else if (event.has_finished()) {
      std::cout << "\nanswer: " << event.finished().boxed() << "\n";
    }
  }
  const absl::Status status = stream->Finish();
  return status.ok() ? EXIT_SUCCESS : Fail(status);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4 || argc > 5) {
    std::cerr << "usage: ask HOST:PORT IMAGE \"QUESTION\" [FOLDER]\n";
    return 2;
  }
  std::ifstream file(argv[2], std::ios::binary);
  if (!file) return Fail(absl::NotFoundError(argv[2]));

  v1::ReasonRequest request;
  request.add_inputs()->set_image(
      std::string(std::istreambuf_iterator<char>(file), {}));
  request.add_inputs()->set_text(argv[3]);
  // A depth map can be sent as values and as colours; save the colours.
  request.mutable_output()->add_roles(v1::MAP_ROLE_DISPLAY);

  ClientOptions options;
  options.target = argv[1];
  const auto client = Client::Connect(options);
  if (!client.ok()) return Fail(client.status());
  return Ask(**client, request, argc == 5 ? argv[4] : ".");
}
