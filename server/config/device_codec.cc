#include "server/config/device_codec.h"

#include <vector>

namespace crisp::config {
namespace {

bool IsPermissions(const std::string& text) {
  return !text.empty() && text.find_first_not_of("rwm") == std::string::npos;
}

}  // namespace

std::optional<DeviceParts> FindDeviceParts(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(':', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (parts.size() > 3 || !parts[0].starts_with('/')) return std::nullopt;
  DeviceParts out{parts[0], parts[0], "rwm"};
  size_t next = 1;
  if (next < parts.size() && parts[next].starts_with('/')) out.container_path = parts[next++];
  if (next < parts.size() && IsPermissions(parts[next])) out.permissions = parts[next++];
  return next == parts.size() ? std::optional(std::move(out)) : std::nullopt;
}

Codec<std::string> DeviceCodec() {
  Codec<std::string> out = TextCodec("host path[:container path][:permissions]");
  out.parse = [](const Value& value) -> Result<std::string> {
    std::string text = CRISP_TRY(ScalarText(value));
    if (FindDeviceParts(text)) return text;
    return InvalidArgument("'", text,
                           "': allowed: a device node or a directory of them, absolute, e.g. "
                           "/dev/fuse, /dev/fuse:rw or /dev/fuse:/dev/x:rwm");
  };
  return out;
}

Codec<std::string> AnnotationPrefixCodec() {
  Codec<std::string> out = TextCodec("annotation prefix");
  out.parse = [](const Value& value) -> Result<std::string> {
    std::string text = CRISP_TRY(ScalarText(value));
    if (!text.empty()) return text;
    return InvalidArgument("'': allowed: the beginning of annotations' keys, e.g. io.example.");
  };
  return out;
}

Codec<std::map<std::string, std::string>> EnvironmentCodec() {
  Codec<std::map<std::string, std::string>> out = TextMapCodec();
  out.parse = [parse =
                   out.parse](const Value& value) -> Result<std::map<std::string, std::string>> {
    std::map<std::string, std::string> all = CRISP_TRY(parse(value));
    for (const auto& [name, text] : all) {
      if (name.empty() || name.find('=') != std::string::npos ||
          Cat(name, text).find('\0') != std::string::npos) {
        return InvalidArgument("'", name, "': allowed: a variable's name, without '='");
      }
    }
    return all;
  };
  return out;
}

}  // namespace crisp::config
