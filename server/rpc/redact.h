// Requests as log text, without what is nobody's business.
//
// What:    registry credentials (AuthConfig) and values of environment variables are replaced;
//          annotations are left out (kubectl keeps whole manifests in them), and of a command to
//          execute only the program is shown.
#ifndef CRISP_SERVER_RPC_REDACT_H_
#define CRISP_SERVER_RPC_REDACT_H_

#include <string>

namespace google::protobuf {
class Message;
}

namespace crisp::rpc {

std::string DescribeRequest(const google::protobuf::Message& request);

}  // namespace crisp::rpc

#endif  // CRISP_SERVER_RPC_REDACT_H_
