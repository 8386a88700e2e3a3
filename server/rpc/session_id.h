#ifndef COOPER_SERVER_RPC_SESSION_ID_H_
#define COOPER_SERVER_RPC_SESSION_ID_H_

#include <string>

namespace cooper::rpc {

// 128 bits from the system's generator for secrets, as 32 hexadecimal digits:
// nobody guesses another's session. Thread-safe.
std::string DrawSessionId();

}  // namespace cooper::rpc

#endif  // COOPER_SERVER_RPC_SESSION_ID_H_
