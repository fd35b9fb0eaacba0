// What the host says of SELinux: whether there is one, and what its policy calls things.
#include <sys/vfs.h>

#include "base/core/file.h"
#include "base/log.h"
#include "oci/lxc_contexts.h"
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

// The policy's directory below `configuration`.
std::string PolicyName(const std::string& configuration) {
  const auto text = ReadFile(JoinPath(configuration, "config"), kMaxFile_bytes);
  return ParsePolicyName(text.ok() ? *text : std::string());
}

Status ReadContexts(const std::string& path, SelinuxHost* out) {
  return ParseLxcContexts(CRISP_TRY(ReadFile(path, kMaxFile_bytes)), path, out);
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
