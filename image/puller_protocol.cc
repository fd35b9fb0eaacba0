#include "image/puller_protocol.h"

#include <sys/socket.h>
#include <unistd.h>

#include "image/image_config.h"

namespace crisp::image {
namespace {

constexpr uint32_t kMaxFrameBytes = kMaxJsonBytes;

Status SendBytes(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Errno("send to the other end of the pull");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return OkStatus();
}

// The number of bytes read: less than asked for only at the end of the stream.
Result<size_t> ReadBytes(int fd, char* data, size_t size) {
  size_t have = 0;
  while (have < size) {
    const ssize_t n = ::read(fd, data + have, size - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == ECONNRESET) break;
    if (n < 0) return Errno("receive from the other end of the pull");
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  return have;
}

Result<size_t> IndexMember(const Json& json) {
  const int64_t layer = CRISP_TRY(IntMember(json, "layer"));
  if (layer < 0 || layer > 100000) return InvalidArgument("layer number ", layer);
  return static_cast<size_t>(layer);
}

Json AuthToJson(const RegistryAuth& auth) {
  return Json{{"username", auth.username},
              {"password", auth.password},
              {"identity_token", auth.identity_token},
              {"registry_token", auth.registry_token}};
}

Result<RegistryAuth> AuthFromJson(const Json& json) {
  RegistryAuth out;
  out.username = CRISP_TRY(StringMember(json, "username"));
  out.password = CRISP_TRY(StringMember(json, "password"));
  out.identity_token = CRISP_TRY(StringMember(json, "identity_token"));
  out.registry_token = CRISP_TRY(StringMember(json, "registry_token"));
  return out;
}

}  // namespace

Status FrameSocket::Send(const Json& message) {
  const std::string text = DumpJson(message);
  if (text.size() > kMaxFrameBytes) return Internal("a message of ", text.size(), " bytes");
  std::string frame(4, '\0');
  for (int i = 0; i < 4; ++i)
    frame[static_cast<size_t>(i)] = static_cast<char>(text.size() >> 8 * i);
  frame += text;
  return SendBytes(fd_.get(), frame);
}

Result<std::optional<Json>> FrameSocket::Receive() {
  unsigned char head[4];
  const size_t n = CRISP_TRY(ReadBytes(fd_.get(), reinterpret_cast<char*>(head), sizeof(head)));
  if (n == 0) return std::optional<Json>();
  if (n < sizeof(head)) return DataLoss("the pull's socket was closed inside a message");
  const uint32_t size = head[0] | head[1] << 8 | head[2] << 16 | uint32_t{head[3]} << 24;
  if (size > kMaxFrameBytes) return DataLoss("a message of ", size, " bytes on the pull's socket");
  std::string text(size, '\0');
  if (CRISP_TRY(ReadBytes(fd_.get(), text.data(), size)) < size) {
    return DataLoss("the pull's socket was closed inside a message");
  }
  return std::optional<Json>(CRISP_TRY(ParseJson(text, "message of a pull")));
}

Json ToJson(const PullerRequest& r) {
  Json endpoints = Json::array();
  for (const PullerEndpoint& e : r.endpoints) {
    endpoints.push_back({{"url", e.url},
                         {"skip_tls_verify", e.skip_tls_verify},
                         {"ca_file", e.ca_file},
                         {"send_credentials", e.send_credentials}});
  }
  const bool pull = r.operation == PullerRequest::Operation::kPull;
  return Json{{"type", "request"},
              {"version", kPullerProtocolVersion},
              {"operation", pull ? "pull" : "import"},
              {"reference", r.reference},
              {"endpoints", endpoints},
              {"auth", AuthToJson(r.auth)},
              {"path", r.path},
              {"name", r.name},
              {"os", r.platform.os},
              {"architecture", r.platform.architecture},
              {"variant", r.platform.variant},
              {"layers_dir", r.layers_dir},
              {"tmp_dir", r.tmp_dir},
              {"parallel_layers", r.parallel_layers},
              {"stall_seconds", r.stall_seconds}};
}

Result<PullerRequest> PullerRequestFromJson(const Json& json) {
  PullerRequest out;
  const int64_t version = CRISP_TRY(IntMember(json, "version"));
  if (version != kPullerProtocolVersion) {
    return FailedPrecondition("crisp-pull speaks version ", kPullerProtocolVersion,
                              " of the protocol, the daemon ", version,
                              ": both must be of the same build");
  }
  const std::string operation = CRISP_TRY(StringMember(json, "operation"));
  out.operation =
      operation == "import" ? PullerRequest::Operation::kImport : PullerRequest::Operation::kPull;
  out.reference = CRISP_TRY(StringMember(json, "reference"));
  if (const Json* endpoints = FindMember(json, "endpoints")) {
    for (const Json& item : *endpoints) {
      PullerEndpoint endpoint;
      endpoint.url = CRISP_TRY(StringMember(item, "url"));
      endpoint.skip_tls_verify = CRISP_TRY(BoolMember(item, "skip_tls_verify"));
      endpoint.ca_file = CRISP_TRY(StringMember(item, "ca_file"));
      endpoint.send_credentials = CRISP_TRY(BoolMember(item, "send_credentials"));
      out.endpoints.push_back(std::move(endpoint));
    }
  }
  if (const Json* auth = FindMember(json, "auth")) out.auth = CRISP_TRY(AuthFromJson(*auth));
  out.path = CRISP_TRY(StringMember(json, "path"));
  out.name = CRISP_TRY(StringMember(json, "name"));
  out.platform = CRISP_TRY(ParsePlatform(json));
  out.layers_dir = CRISP_TRY(StringMember(json, "layers_dir"));
  out.tmp_dir = CRISP_TRY(StringMember(json, "tmp_dir"));
  out.parallel_layers = static_cast<int>(CRISP_TRY(IntMember(json, "parallel_layers")));
  out.stall_seconds = static_cast<int>(CRISP_TRY(IntMember(json, "stall_seconds")));
  return out;
}

Json ToJson(const LayerReport& report) {
  return Json{{"type", "layer"},
              {"layer", report.layer},
              {"dir", report.dir},
              {"size", report.size_bytes},
              {"inodes", report.inodes},
              {"tied", report.tied},
              {"opaque_root", report.opaque_root},
              {"received", report.received_bytes}};
}

Result<LayerReport> LayerReportFromJson(const Json& json) {
  LayerReport out;
  out.layer = CRISP_TRY(IndexMember(json));
  out.dir = CRISP_TRY(StringMember(json, "dir"));
  out.size_bytes = CRISP_TRY(IntMember(json, "size"));
  out.inodes = CRISP_TRY(IntMember(json, "inodes"));
  out.tied = CRISP_TRY(BoolMember(json, "tied"));
  out.opaque_root = CRISP_TRY(BoolMember(json, "opaque_root"));
  out.received_bytes = CRISP_TRY(IntMember(json, "received"));
  return out;
}

Json ToJson(const LayerAnswer& answer) {
  return Json{{"type", "layer"},
              {"layer", answer.layer},
              {"have", answer.have},
              {"key", answer.key},
              {"opaque_root", answer.opaque_root}};
}

Result<LayerAnswer> LayerAnswerFromJson(const Json& json) {
  LayerAnswer out;
  out.layer = CRISP_TRY(IndexMember(json));
  out.have = CRISP_TRY(BoolMember(json, "have"));
  out.key = CRISP_TRY(StringMember(json, "key"));
  out.opaque_root = CRISP_TRY(BoolMember(json, "opaque_root"));
  return out;
}

Json ToJson(const ImageReport& report) {
  return Json{{"type", "image"},
              {"id", report.id},
              {"dir", report.dir},
              {"names", report.names},
              {"resolved_digest", report.resolved_digest},
              {"content_bytes", report.content_bytes},
              {"config", ConfigToJson(report.config)}};
}

Result<ImageReport> ImageReportFromJson(const Json& json) {
  ImageReport out;
  out.id = CRISP_TRY(StringMember(json, "id"));
  out.dir = CRISP_TRY(StringMember(json, "dir"));
  out.names = CRISP_TRY(StringsMember(json, "names"));
  out.resolved_digest = CRISP_TRY(StringMember(json, "resolved_digest"));
  out.content_bytes = CRISP_TRY(IntMember(json, "content_bytes"));
  if (const Json* config = FindMember(json, "config")) {
    out.config = CRISP_TRY(ConfigFromJson(*config));
  }
  return out;
}

Json ErrorToJson(const Status& status) {
  return Json{
      {"type", "error"}, {"code", static_cast<int>(status.code())}, {"message", status.message()}};
}

Status ErrorFromJson(const Json& json) {
  const auto code = IntMember(json, "code");
  auto message = StringMember(json, "message");
  if (!code.ok() || !message.ok() || *code <= 0 || *code > 16) {
    return Internal("crisp-pull failed with a malformed error");
  }
  return Status(static_cast<Code>(*code), std::move(message).value());
}

}  // namespace crisp::image
