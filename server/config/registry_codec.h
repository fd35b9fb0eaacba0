// Codecs of image.registries: mirrors, headers, and paths that may be off.
//
// Secrets: the values of headers may be credentials; they are printed as "(hidden)".
#ifndef CRISP_SERVER_CONFIG_REGISTRY_CODEC_H_
#define CRISP_SERVER_CONFIG_REGISTRY_CODEC_H_

#include "server/config/codec.h"
#include "server/config/config.h"

namespace crisp::config {

// Each a location ("host:port" or a URL), or a map with "location" and more.
Codec<std::vector<Mirror>> MirrorListCodec();
Codec<std::map<std::string, std::string>> HeadersCodec();
// An absolute path, or "": off.
Codec<std::string> OptionalPathCodec();

}  // namespace crisp::config

#endif  // CRISP_SERVER_CONFIG_REGISTRY_CODEC_H_
