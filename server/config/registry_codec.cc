#include "server/config/registry_codec.h"

namespace crisp::config {
namespace {

constexpr char kMirrorKeys[] =
    "location, pull, override_path, plain_http, skip_tls_verify, ca_file, client_cert_file, "
    "client_key_file, headers";

Codec<MirrorUse> UseCodec() {
  return OneOfCodec<MirrorUse>({{"all", MirrorUse::kAll},
                                {"digest-only", MirrorUse::kDigestOnly},
                                {"tag-only", MirrorUse::kTagOnly}});
}

Result<std::string> ParseLocation(const Value& value) {
  std::string text = CRISP_TRY(ScalarText(value));
  const size_t scheme = text.find("://");
  const bool known =
      scheme == std::string::npos || text.starts_with("http://") || text.starts_with("https://");
  if (text.empty() || !known || text.find_first_of(" @?#") != std::string::npos) {
    return InvalidArgument("'", text, "': allowed: host[:port][/path], or an http or https URL");
  }
  return text;
}

// RFC 9110 section 5.1: a token; the value may not begin a line of its own.
Status CheckHeader(const std::string& name, const std::string& value) {
  if (name.empty() || name.find_first_of(" \t\r\n:") != std::string::npos) {
    return InvalidArgument("'", name, "': allowed: a header's name without ':'");
  }
  if (value.find_first_of("\r\n") != std::string::npos) {
    return InvalidArgument(name, ": allowed: a value of one line");
  }
  return OkStatus();
}

Result<Mirror> ParseMirror(const Value& value) {
  Mirror out;
  if (value.kind != Value::Kind::kMap) {
    out.location = CRISP_TRY(ParseLocation(value));
    return out;
  }
  for (const auto& [key, entry] : value.entries) {
    if (key == "location") {
      out.location = CRISP_TRY(ParseLocation(entry).Wrap(key));
    } else if (key == "pull") {
      out.use = CRISP_TRY(UseCodec().parse(entry).Wrap(key));
    } else if (key == "override_path") {
      out.override_path = CRISP_TRY(BooleanCodec().parse(entry).Wrap(key));
    } else if (key == "plain_http") {
      out.plain_http = CRISP_TRY(BooleanCodec().parse(entry).Wrap(key));
    } else if (key == "skip_tls_verify") {
      out.skip_tls_verify = CRISP_TRY(BooleanCodec().parse(entry).Wrap(key));
    } else if (key == "ca_file") {
      out.ca_file = CRISP_TRY(AbsolutePathCodec().parse(entry).Wrap(key));
    } else if (key == "client_cert_file") {
      out.client_cert_file = CRISP_TRY(AbsolutePathCodec().parse(entry).Wrap(key));
    } else if (key == "client_key_file") {
      out.client_key_file = CRISP_TRY(AbsolutePathCodec().parse(entry).Wrap(key));
    } else if (key == "headers") {
      out.headers = CRISP_TRY(HeadersCodec().parse(entry).Wrap(key));
    } else {
      return InvalidArgument("unknown key '", key, "'; allowed: ", kMirrorKeys);
    }
  }
  if (out.location.empty()) return InvalidArgument("a mirror without location");
  if (out.client_cert_file.empty() != out.client_key_file.empty()) {
    return InvalidArgument("client_cert_file and client_key_file: allowed: both or none");
  }
  return out;
}

Value PrintMirror(const Mirror& mirror) {
  Value out = Value::Map();
  out.Add("location", Value::String(mirror.location));
  if (mirror.use != MirrorUse::kAll) out.Add("pull", UseCodec().print(mirror.use));
  if (mirror.override_path) out.Add("override_path", Value::Bool(true));
  if (mirror.plain_http) out.Add("plain_http", Value::Bool(true));
  if (mirror.skip_tls_verify) out.Add("skip_tls_verify", Value::Bool(true));
  const auto add = [&out](const char* key, const std::string& text) {
    if (!text.empty()) out.Add(key, Value::String(text));
  };
  add("ca_file", mirror.ca_file);
  add("client_cert_file", mirror.client_cert_file);
  add("client_key_file", mirror.client_key_file);
  if (!mirror.headers.empty()) out.Add("headers", HeadersCodec().print(mirror.headers));
  return out.entries.size() == 1 ? Value::String(mirror.location) : out;
}

}  // namespace

Codec<std::vector<Mirror>> MirrorListCodec() {
  return {"list of host[:port][/path] or URL, or of maps",
          [](const Value& value) -> Result<std::vector<Mirror>> {
            if (value.kind != Value::Kind::kList) {
              return InvalidArgument("found ", value.KindName(), " where a list is wanted");
            }
            std::vector<Mirror> out;
            for (const Value& item : value.items) out.push_back(CRISP_TRY(ParseMirror(item)));
            return out;
          },
          [](const std::vector<Mirror>& all) {
            Value out = Value::List();
            for (const Mirror& mirror : all) out.items.push_back(PrintMirror(mirror));
            return out;
          }};
}

Codec<std::map<std::string, std::string>> HeadersCodec() {
  return {"map of text",
          [](const Value& value) -> Result<std::map<std::string, std::string>> {
            auto out = CRISP_TRY(TextMapCodec().parse(value));
            for (const auto& [name, text] : out) CRISP_RETURN_IF_ERROR(CheckHeader(name, text));
            return out;
          },
          [](const std::map<std::string, std::string>& all) {
            Value out = Value::Map();
            for (const auto& [name, unused] : all) out.Add(name, Value::String("(hidden)"));
            return out;
          }};
}

Codec<std::string> OptionalPathCodec() {
  return {"absolute path, \"\": off",
          [](const Value& value) -> Result<std::string> {
            std::string text = CRISP_TRY(ScalarText(value));
            if (text.empty() || text.starts_with('/')) return text;
            return InvalidArgument("'", text, "': allowed: \"\" (off), or an absolute path");
          },
          [](const std::string& text) { return Value::String(text); }};
}

}  // namespace crisp::config
