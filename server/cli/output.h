// What the commands of `crisp` share: common flags, the socket, printing.
#ifndef CRISP_SERVER_CLI_OUTPUT_H_
#define CRISP_SERVER_CLI_OUTPUT_H_

#include <string>

#include "base/core/result.h"
#include "server/cli/args.h"
#include "server/config/load.h"

namespace google::protobuf {
class Message;
}

namespace crisp::cli {

extern const Flag kJson;
extern const Flag kSocket;
extern const Flag kConfig;

void Print(const std::string& text);
Status PrintJson(const google::protobuf::Message& message);
Result<config::Loaded> LoadConfig(const Parsed& parsed);
// --socket, else $CRISP_SOCKET, else the configuration's: one with mistakes is an error if --config
// named it; else they are printed and the usual socket is returned.
Result<std::string> FindSocket(const Parsed& parsed);

}  // namespace crisp::cli

#endif  // CRISP_SERVER_CLI_OUTPUT_H_
