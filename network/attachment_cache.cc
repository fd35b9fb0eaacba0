#include "network/attachment_cache.h"

#include <nlohmann/json.hpp>

#include "base/core/atomic_file.h"
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "network/json_check.h"
#include "network/plugin_runner.h"

namespace crisp::network {
namespace {

using nlohmann::json;

constexpr int kFormatVersion = 1;
constexpr std::string_view kSuffix = ".json";

json ParseChecked(const std::string& text) {
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

Result<CachedAttachment> ParseAttachment(const std::string& text) {
  CRISP_RETURN_IF_ERROR(CheckJsonObject(text));
  const json file = ParseChecked(text);
  const auto version = file.find("crispCniCache");
  if (version == file.end() || *version != kFormatVersion) {
    return DataLoss("format version ", version == file.end() ? "is missing" : version->dump(),
                    ": this crisp knows ", kFormatVersion);
  }
  const auto get = [&file](const char* key, json::value_t type) -> Result<json> {
    const auto it = file.find(key);
    if (it == file.end() || it->type() != type) return DataLoss("key \"", key, "\" is missing");
    return *it;
  };
  CachedAttachment out;
  out.netns_path = CRISP_TRY(get("netns", json::value_t::string)).get<std::string>();
  out.cni_args = CRISP_TRY(get("cniArgs", json::value_t::string)).get<std::string>();
  out.capability_arguments = Dump(CRISP_TRY(get("capabilities", json::value_t::object)));
  out.config = CRISP_TRY(
      ParseNetworkConfig(Dump(CRISP_TRY(get("config", json::value_t::object))), ConfigForm::kList));
  if (const auto result = file.find("result"); result != file.end() && result->is_object()) {
    out.result = Dump(*result);
  }
  return out;
}

std::string AttachmentText(const CachedAttachment& attachment) {
  json file = {{"crispCniCache", kFormatVersion},
               {"ifname", kPodInterface},
               {"netns", attachment.netns_path},
               {"cniArgs", attachment.cni_args},
               {"capabilities", ParseChecked(attachment.capability_arguments)},
               {"config", ParseChecked(attachment.config.json)},
               {"result", nullptr}};
  if (!attachment.result.empty()) file["result"] = ParseChecked(attachment.result);
  return Cat(Dump(file), '\n');
}

Result<AttachmentCache> AttachmentCache::Open(std::string dir) {
  const DirFd opened = CRISP_TRY(DirFd::OpenOrCreate(dir, 0700).Wrap("cni cache"));
  for (const std::string& name : CRISP_TRY(opened.List().Wrap("cni cache ", dir))) {
    if (name.find(Cat(kSuffix, ".tmp.")) == std::string::npos) continue;
    CRISP_RETURN_IF_ERROR(opened.RemoveFile(name).Wrap("cni cache ", dir));
  }
  return AttachmentCache(std::move(dir));
}

std::string AttachmentCache::PathOf(const SandboxId& sandbox) const {
  return JoinPath(dir_, Cat(sandbox.str(), kSuffix));
}

Status AttachmentCache::Write(const SandboxId& sandbox, const CachedAttachment& attachment) const {
  return WriteFileAtomically(PathOf(sandbox), AttachmentText(attachment), 0600).Wrap("cni cache");
}

Result<CachedAttachment> AttachmentCache::Read(const SandboxId& sandbox) const {
  const std::string path = PathOf(sandbox);
  const std::string text = CRISP_TRY(ReadFile(path).Wrap("cni cache"));
  auto parsed = ParseAttachment(text);
  if (parsed.ok()) return parsed;
  return std::move(parsed).status().WithCode(Code::kDataLoss).Wrap("cni cache ", path);
}

bool AttachmentCache::Has(const SandboxId& sandbox) const { return PathExists(PathOf(sandbox)); }

Status AttachmentCache::Remove(const SandboxId& sandbox) const {
  const DirFd dir = CRISP_TRY(DirFd::Open(dir_).Wrap("cni cache"));
  return dir.RemoveFile(Cat(sandbox.str(), kSuffix)).Wrap("cni cache ", dir_);
}

Result<std::vector<SandboxId>> AttachmentCache::List() const {
  std::vector<SandboxId> out;
  const DirFd dir = CRISP_TRY(DirFd::Open(dir_).Wrap("cni cache"));
  for (std::string& name : CRISP_TRY(dir.List().Wrap("cni cache ", dir_))) {
    if (!name.ends_with(kSuffix)) continue;
    name.resize(name.size() - kSuffix.size());
    if (SandboxId::IsWellFormed(name)) out.emplace_back(std::move(name));
  }
  return out;
}

}  // namespace crisp::network
