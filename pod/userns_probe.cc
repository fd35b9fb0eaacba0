#include "pod/userns_probe.h"

#include <sys/stat.h>

#include "base/core/dir_fd.h"
#include "base/core/mount.h"
#include "base/log.h"
#include "image/overlay.h"
#include "pod/environment.h"
#include "pod/userns_pins.h"

namespace crisp::pod {
namespace {

// Any that is not host root's; nobody logs in with it here.
constexpr oci::IdMapping kMapping = {0, 1u << 20, 1u << 16};

Status Try(const NamespaceMaker& maker, const std::string& dir) {
  const UniqueFd user_namespace = CRISP_TRY(MakeUserNamespace(maker, kMapping, kMapping));
  for (const char* name : {"/layer", "/upper", "/work", "/merged"}) {
    CRISP_RETURN_IF_ERROR(EnsureDirectory(dir + name, 0700));
  }
  CRISP_RETURN_IF_ERROR(WriteFile(dir + "/layer/file", ""));
  image::OverlayOptions options;
  options.lower_root = dir;
  options.lower = {"layer"};
  options.upper = dir + "/upper";
  options.work = dir + "/work";
  options.volatile_upper = true;
  options.user_namespace = user_namespace.get();
  CRISP_RETURN_IF_ERROR(image::MountOverlay(options, dir + "/merged"));
  const ScopedMount mounted(dir + "/merged");
  struct stat st {};
  const std::string file = dir + "/merged/file";
  if (::stat(file.c_str(), &st) != 0) return Errno("stat ", file);
  if (st.st_uid == kMapping.host_id && st.st_gid == kMapping.host_id) return OkStatus();
  return FailedPrecondition("overlayfs does not map the ids of its layers");
}

Status Clean(const std::string& dir) {
  CRISP_RETURN_IF_ERROR(EnsureUnmounted(dir + "/merged", /*detach=*/true));
  return RemoveTreeAt(dir);
}

bool SaysNothing(const Status& tried) {
  return tried.code() == Code::kResourceExhausted || tried.code() == Code::kDeadlineExceeded;
}

}  // namespace

Status ProbeUserNamespaces(const Environment& env) {
  // Making one fails with ENOSPC then (user_namespaces(7)), as on a disk that is full for a while.
  const auto allowed = ReadFile("/proc/sys/user/max_user_namespaces", 64);
  if (allowed.ok() && Trim(*allowed) == "0") {
    return FailedPrecondition("user.max_user_namespaces is 0");
  }
  const std::string dir = JoinPath(env.roots.root, "userns-probe");
  CRISP_RETURN_IF_ERROR(Clean(dir));  // of a daemon that was killed here
  CRISP_RETURN_IF_ERROR(EnsureDirectory(dir, 0700));
  Status tried = Try({env.options.init_binary, env.options.reaper}, dir);
  Status cleaned = Clean(dir);
  return tried.ok() ? std::move(cleaned) : std::move(tried);
}

void UserNamespaces::Probe() {
  Status tried = probe_();
  std::lock_guard lock(mutex_);
  queued_ = false;
  if (tried.ok() && !last_.ok()) log::Info("user namespaces for pods");
  if (!tried.ok() && tried.ToString() != last_.ToString()) {
    log::Warning(SaysNothing(tried) ? "no user namespaces for pods yet, they are tried again"
                                    : "no user namespaces for pods",
                 {{"why", tried}});
  }
  last_ = std::move(tried);
}

Status UserNamespaces::Check() {
  std::lock_guard lock(mutex_);
  if (SaysNothing(last_) && !queued_) queued_ = lane_->Submit([this] { Probe(); }).ok();
  return last_;
}

}  // namespace crisp::pod
