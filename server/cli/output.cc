#include "server/cli/output.h"

#include <google/protobuf/util/json_util.h>

#include <cstdio>
#include <cstdlib>

namespace crisp::cli {

const Flag kJson = {"--json", "", "print JSON", false};
const Flag kSocket = {"--socket", "PATH",
                      "crispd's socket (default: $CRISP_SOCKET, else the configuration's)", false};
const Flag kConfig = {"--config", "FILE", "configuration (default: /etc/crisp/crisp.yaml)", false};

void Print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

Status PrintJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) {
    return Internal("print ", message.GetTypeName(), " as JSON");
  }
  Print(text);
  return OkStatus();
}

Result<config::Loaded> LoadConfig(const Parsed& parsed) {
  return config::Load(parsed.Get("--config", config::kDefaultPath), parsed.Has("--config"),
                      config::Surroundings::Detect());
}

Result<std::string> FindSocket(const Parsed& parsed) {
  if (parsed.Has("--socket")) return parsed.Get("--socket");
  const char* from_environment = std::getenv("CRISP_SOCKET");
  if (from_environment != nullptr && *from_environment != '\0') {
    return std::string(from_environment);
  }
  const bool given = parsed.Has("--config");
  Result<std::string> socket =
      config::LoadSocketPath(parsed.Get("--config", config::kDefaultPath), given);
  if (socket.ok() || given) return socket;
  // crispd may run with what it read before somebody made a mistake.
  constexpr char kUsual[] = "/run/crisp/crisp.sock";
  std::fprintf(stderr, "crisp: %s\ncrisp: trying %s\n", socket.status().message().c_str(), kUsual);
  return std::string(kUsual);
}

}  // namespace crisp::cli
