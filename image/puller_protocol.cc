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

Json EndpointToJson(const PullerEndpoint& e) {
  return Json{{"url", e.url},
              {"repository", e.repository},
              {"override_path", e.override_path},
              {"query", e.query},
              {"resolve", e.resolve},
              {"pull", e.pull},
              {"skip_tls_verify", e.options.skip_tls_verify},
              {"ca_files", e.options.ca_files},
              {"ca_adds_to_system", e.options.ca_adds_to_system},
              {"client_cert_file", e.options.client_cert_file},
              {"client_key_file", e.options.client_key_file},
              {"headers", e.options.headers},
              {"auth", AuthToJson(e.auth)}};
}

Result<PullerEndpoint> EndpointFromJson(const Json& json) {
  PullerEndpoint out;
  out.url = CRISP_TRY(StringMember(json, "url"));
  out.repository = CRISP_TRY(StringMember(json, "repository"));
  out.override_path = CRISP_TRY(BoolMember(json, "override_path"));
  out.query = CRISP_TRY(StringMember(json, "query"));
  out.resolve = CRISP_TRY(BoolMember(json, "resolve"));
  out.pull = CRISP_TRY(BoolMember(json, "pull"));
  EndpointOptions& options = out.options;
  options.plain_http = out.url.starts_with("http://");
  options.skip_tls_verify = CRISP_TRY(BoolMember(json, "skip_tls_verify"));
  options.ca_files = CRISP_TRY(StringsMember(json, "ca_files"));
  options.ca_adds_to_system = CRISP_TRY(BoolMember(json, "ca_adds_to_system"));
  options.client_cert_file = CRISP_TRY(StringMember(json, "client_cert_file"));
  options.client_key_file = CRISP_TRY(StringMember(json, "client_key_file"));
  options.headers = CRISP_TRY(StringMapMember(json, "headers"));
  if (const Json* auth = FindMember(json, "auth")) out.auth = CRISP_TRY(AuthFromJson(*auth));
  return out;
}

const char* OperationName(PullerRequest::Operation operation) {
  switch (operation) {
    case PullerRequest::Operation::kPull:
      return "pull";
    case PullerRequest::Operation::kImport:
      return "import";
    case PullerRequest::Operation::kCheck:
      return "check";
    case PullerRequest::Operation::kExport:
      return "export";
  }
  return "";
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
    endpoints.push_back(EndpointToJson(e));
  }
  return Json{{"type", "request"},
              {"version", kPullerProtocolVersion},
              {"operation", OperationName(r.operation)},
              {"reference", r.reference},
              {"endpoints", endpoints},
              {"signatures", ToJson(r.signatures)},
              {"decryption_keys_path", r.decryption_keys_path},
              {"path", r.path},
              {"name", r.name},
              {"os", r.platform.os},
              {"architecture", r.platform.architecture},
              {"variant", r.platform.variant},
              {"layer_keys", r.layer_keys},
              {"opaque_layers", r.opaque_layers},
              {"records_dir", r.records_dir},
              {"image_ids", r.image_ids},
              {"artifact_ids", r.artifact_ids},
              {"image_dir", r.image_dir},
              {"layers_dir", r.layers_dir},
              {"tmp_dir", r.tmp_dir},
              {"parallel_layers", r.parallel_layers},
              {"parallel_ranges", r.parallel_ranges},
              {"stall_seconds", r.stall_seconds},
              {"max_layer_bytes", r.max_layer_bytes}};
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
  using Operation = PullerRequest::Operation;
  for (const Operation one : {Operation::kImport, Operation::kCheck, Operation::kExport}) {
    if (operation == OperationName(one)) out.operation = one;
  }
  out.reference = CRISP_TRY(StringMember(json, "reference"));
  if (const Json* endpoints = FindMember(json, "endpoints")) {
    for (const Json& item : *endpoints) {
      out.endpoints.push_back(CRISP_TRY(EndpointFromJson(item)));
    }
  }
  if (const Json* signatures = FindMember(json, "signatures")) {
    out.signatures = CRISP_TRY(SignatureDemandFromJson(*signatures));
  }
  out.decryption_keys_path = CRISP_TRY(StringMember(json, "decryption_keys_path"));
  out.path = CRISP_TRY(StringMember(json, "path"));
  out.name = CRISP_TRY(StringMember(json, "name"));
  out.platform = CRISP_TRY(ParsePlatform(json));
  out.layer_keys = CRISP_TRY(StringsMember(json, "layer_keys"));
  out.opaque_layers = CRISP_TRY(StringsMember(json, "opaque_layers"));
  out.image_dir = CRISP_TRY(StringMember(json, "image_dir"));
  out.records_dir = CRISP_TRY(StringMember(json, "records_dir"));
  out.image_ids = CRISP_TRY(StringsMember(json, "image_ids"));
  out.artifact_ids = CRISP_TRY(StringsMember(json, "artifact_ids"));
  out.layers_dir = CRISP_TRY(StringMember(json, "layers_dir"));
  out.tmp_dir = CRISP_TRY(StringMember(json, "tmp_dir"));
  out.parallel_layers = static_cast<int>(CRISP_TRY(IntMember(json, "parallel_layers")));
  out.parallel_ranges = static_cast<int>(CRISP_TRY(IntMember(json, "parallel_ranges")));
  out.stall_seconds = static_cast<int>(CRISP_TRY(IntMember(json, "stall_seconds")));
  out.max_layer_bytes = CRISP_TRY(IntMember(json, "max_layer_bytes"));
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

Json ToJson(const CheckedLayer& checked) {
  return Json{{"type", "checked"},
              {"key", checked.key},
              {"has_record", checked.has_record},
              {"difference_count", checked.difference_count},
              {"differences", checked.differences}};
}

Result<CheckedLayer> CheckedLayerFromJson(const Json& json) {
  CheckedLayer out;
  out.key = CRISP_TRY(StringMember(json, "key"));
  out.has_record = CRISP_TRY(BoolMember(json, "has_record"));
  out.difference_count = CRISP_TRY(IntMember(json, "difference_count"));
  out.differences = CRISP_TRY(StringsMember(json, "differences"));
  return out;
}

Json ErrorToJson(const Status& status) {
  return Json{{"type", "error"},
              {"code", static_cast<int>(status.code())},
              {"errno", status.sys_errno()},
              {"message", status.message()}};
}

Status ErrorFromJson(const Json& json) {
  const auto code = IntMember(json, "code");
  const auto error = IntMember(json, "errno");
  auto message = StringMember(json, "message");
  if (!code.ok() || !error.ok() || !message.ok() || *code <= 0 || *code > 16 || *error < 0 ||
      *error > 4095) {
    return Internal("crisp-pull failed with a malformed error");
  }
  return Status(static_cast<Code>(*code), std::move(message).value(), static_cast<int>(*error));
}

}  // namespace crisp::image
