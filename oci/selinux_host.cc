// What the host says of SELinux: whether there is one, and what its policy calls things.
#include <sys/vfs.h>

#include <string_view>

#include "base/core/file.h"
#include "base/log.h"
#include "oci/selinux.h"
#include "oci/selinux_context.h"

namespace crisp::oci {
namespace {

constexpr size_t kMaxFile_bytes = 1 << 20;

bool HostHasSelinux(const SelinuxPlaces& places) {
  struct statfs st {};
  if (::statfs(places.filesystem.c_str(), &st) != 0) return false;
  return st.f_type == places.magic && PathExists(JoinPath(places.filesystem, "enforce"));
}

// The value of "key = value" in a line; empty without one.
std::string_view ValueOf(std::string_view line, std::string_view* key) {
  const std::string_view text = Trim(line);
  const size_t equals = text.find('=');
  if (text.empty() || text.front() == '#' || equals == std::string_view::npos) return {};
  *key = Trim(text.substr(0, equals));
  std::string_view value = Trim(text.substr(equals + 1));
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  return value;
}

template <typename Visit>
Status ForEachValue(std::string_view text, Visit&& visit) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view key;
    const std::string_view value = ValueOf(text.substr(0, end), &key);
    if (!value.empty()) CRISP_RETURN_IF_ERROR(visit(key, value));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return OkStatus();
}

// SELINUXTYPE of selinux/config: the policy's directory beside it.
std::string PolicyName(const std::string& configuration) {
  std::string name = "targeted";
  const auto text = ReadFile(JoinPath(configuration, "config"), kMaxFile_bytes);
  if (!text.ok()) return name;
  (void)ForEachValue(*text, [&name](std::string_view key, std::string_view value) {
    if (key == "SELINUXTYPE" && value.find('/') == std::string_view::npos) name = value;
    return OkStatus();
  });
  return name;
}

Status ReadContexts(const std::string& path, SelinuxHost* out) {
  const std::string text = CRISP_TRY(ReadFile(path, kMaxFile_bytes));
  const std::pair<std::string_view, std::string*> known[] = {{"process", &out->process},
                                                             {"file", &out->file},
                                                             {"ro_file", &out->ro_file},
                                                             {"init_process", &out->init_process},
                                                             {"kvm_process", &out->kvm_process}};
  return ForEachValue(text, [&](std::string_view key, std::string_view value) -> Status {
    for (const auto& [name, target] : known) {
      if (key != name) continue;
      const auto context = ParseSelinuxContext(value, out->mls);
      if (!context) {
        return InvalidArgument(path, ": ", key, ": '", value, "' is no context (user:role:type",
                               out->mls ? ":level)" : ")");
      }
      *target = ToText(*context);
    }
    return OkStatus();
  });
}

// "0": the kernel takes no context with a level.
bool HasLevels(const SelinuxPlaces& places) {
  const auto text = ReadFile(JoinPath(places.filesystem, "mls"), kMaxFile_bytes);
  return !text.ok() || Trim(*text) != "0";
}

// Without contexts of its own: the names of container-selinux.
SelinuxHost DefaultHost(const SelinuxPlaces& places) {
  SelinuxHost out;
  out.enabled = true;
  out.mls = HasLevels(places);
  out.filesystem = places.filesystem;
  if (out.mls) return out;
  for (std::string* context :
       {&out.process, &out.file, &out.ro_file, &out.init_process, &out.kvm_process}) {
    if (const auto parsed = ParseSelinuxContext(*context, false)) *context = ToText(*parsed);
  }
  return out;
}

}  // namespace

Result<SelinuxHost> ReadSelinuxHost(SelinuxMode mode, const SelinuxPlaces& places) {
  if (mode == SelinuxMode::kOff) return SelinuxHost();
  if (!HostHasSelinux(places)) {
    if (mode == SelinuxMode::kAuto) return SelinuxHost();
    return FailedPrecondition("selinux: on, but this host has no SELinux (", places.filesystem,
                              " is not selinuxfs); allowed: auto, off");
  }
  const std::string policy = JoinPath(
      JoinPath(places.configuration, PolicyName(places.configuration)), "contexts/lxc_contexts");
  for (const std::string& path : {places.contexts, policy}) {
    SelinuxHost out = DefaultHost(places);
    const Status read = ReadContexts(path, &out);
    if (read.ok()) return out;
    if (read.code() == Code::kNotFound) continue;
    if (mode == SelinuxMode::kOn) return read;
    log::Warning("SELinux contexts of this host are not used", {{"why", read}});
    break;
  }
  return DefaultHost(places);
}

}  // namespace crisp::oci
