#ifndef COOPER_SERVER_SECURITY_CLIENT_HELLO_H_
#define COOPER_SERVER_SECURITY_CLIENT_HELLO_H_

#include <string>

namespace cooper::security {

// The first bytes that a TLS client sends: a server that is well answers them.
// Empty if the library fails.
std::string TlsClientHello();

}  // namespace cooper::security

#endif  // COOPER_SERVER_SECURITY_CLIENT_HELLO_H_
