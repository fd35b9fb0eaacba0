// Devices in the configuration: "host path[:container path][:permissions]".
#ifndef CRISP_SERVER_CONFIG_DEVICE_CODEC_H_
#define CRISP_SERVER_CONFIG_DEVICE_CODEC_H_

#include <optional>
#include <string>

#include "server/config/codec.h"

namespace crisp::config {

struct DeviceParts {
  std::string host_path;
  std::string container_path;  // the host's when the text gives none
  std::string permissions;     // "rwm" when the text gives none
};
// Empty: the text is not of that form.
std::optional<DeviceParts> FindDeviceParts(const std::string& text);

Codec<std::string> DeviceCodec();
// The beginning of annotations' keys: not empty, because that would be all of them.
Codec<std::string> AnnotationPrefixCodec();
// Names and values of environment variables.
Codec<std::map<std::string, std::string>> EnvironmentCodec();

}  // namespace crisp::config

#endif  // CRISP_SERVER_CONFIG_DEVICE_CODEC_H_
