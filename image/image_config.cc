#include "image/image_config.h"

#include "image/manifest.h"

namespace crisp::image {
namespace {

Result<ImageConfig> ParseRuntimeConfig(const Json& json) {
  ImageConfig out;
  out.user = CRISP_TRY(StringMember(json, "User"));
  out.env = CRISP_TRY(StringsMember(json, "Env"));
  out.entrypoint = CRISP_TRY(StringsMember(json, "Entrypoint"));
  out.cmd = CRISP_TRY(StringsMember(json, "Cmd"));
  out.working_dir = CRISP_TRY(StringMember(json, "WorkingDir"));
  out.stop_signal = CRISP_TRY(StringMember(json, "StopSignal"));
  out.labels = CRISP_TRY(StringMapMember(json, "Labels"));
  if (const Json* volumes = FindMember(json, "Volumes")) {
    if (!volumes->is_object()) return InvalidArgument("member \"Volumes\" must be an object");
    for (const auto& [path, unused] : volumes->items()) out.volumes.push_back(path);
  }
  return out;
}

}  // namespace

Result<ConfigDocument> ParseConfig(std::string_view text) {
  const Json json = CRISP_TRY(ParseJson(text, "image config"));
  if (!json.is_object()) return InvalidArgument("image config: must be a JSON object");
  ConfigDocument out;
  out.platform = CRISP_TRY(ParsePlatform(json).Wrap("image config"));
  if (const Json* config = FindMember(json, "config")) {
    out.config = CRISP_TRY(ParseRuntimeConfig(*config).Wrap("image config: config"));
  }
  const Json* rootfs = FindMember(json, "rootfs");
  if (rootfs == nullptr) return InvalidArgument("image config: member \"rootfs\" is missing");
  for (const std::string& id :
       CRISP_TRY(StringsMember(*rootfs, "diff_ids").Wrap("image config: rootfs"))) {
    Digest digest = CRISP_TRY(Digest::Parse(id).Wrap("image config: diff id"));
    if (digest.algorithm() != "sha256") {
      return InvalidArgument("image config: diff id: only sha256 is supported");
    }
    out.diff_ids.push_back(std::move(digest));
  }
  if (out.diff_ids.size() > kMaxLayers) {
    return InvalidArgument("image config: ", out.diff_ids.size(), " layers; at most ", kMaxLayers,
                           " are allowed");
  }
  return out;
}

Json ConfigToJson(const ImageConfig& config) {
  return Json{{"user", config.user},
              {"env", config.env},
              {"entrypoint", config.entrypoint},
              {"cmd", config.cmd},
              {"working_dir", config.working_dir},
              {"stop_signal", config.stop_signal},
              {"volumes", config.volumes},
              {"labels", config.labels},
              {"artifact_type", config.artifact_type}};
}

Result<ImageConfig> ConfigFromJson(const Json& json) {
  ImageConfig out;
  out.user = CRISP_TRY(StringMember(json, "user"));
  out.env = CRISP_TRY(StringsMember(json, "env"));
  out.entrypoint = CRISP_TRY(StringsMember(json, "entrypoint"));
  out.cmd = CRISP_TRY(StringsMember(json, "cmd"));
  out.working_dir = CRISP_TRY(StringMember(json, "working_dir"));
  out.stop_signal = CRISP_TRY(StringMember(json, "stop_signal"));
  out.volumes = CRISP_TRY(StringsMember(json, "volumes"));
  out.labels = CRISP_TRY(StringMapMember(json, "labels"));
  out.artifact_type = CRISP_TRY(StringMember(json, "artifact_type"));
  return out;
}

}  // namespace crisp::image
