#ifndef COOPER_SERVER_LIBRARY_LOGS_H_
#define COOPER_SERVER_LIBRARY_LOGS_H_

namespace cooper {

// From now on what gRPC and protobuf log are lines of the process's log,
// sampled as refusals are. Thread-safe.
void TakeLibraryLogs();

}  // namespace cooper

#endif  // COOPER_SERVER_LIBRARY_LOGS_H_
