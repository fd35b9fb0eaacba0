#include "oci/selinux.h"

#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "base/core/tree_walk.h"

namespace crisp::oci {
namespace {

constexpr const char* kLabelAttribute = "security.selinux";

// "s0" or "c12" at the start of `text`; removes it.
bool TakeLetterAndNumber(char letter, std::string_view* text) {
  if (text->empty() || text->front() != letter) return false;
  size_t end = 1;
  while (end < text->size() && std::isdigit(static_cast<unsigned char>((*text)[end]))) ++end;
  if (end == 1) return false;
  text->remove_prefix(end);
  return true;
}

bool TakeSymbol(char symbol, std::string_view* text) {
  if (text->empty() || text->front() != symbol) return false;
  text->remove_prefix(1);
  return true;
}

// One sensitivity with its categories: s0, s0:c1, s0:c1,c2, s0:c0.c1023 (mcs(8)).
bool TakeSensitivity(std::string_view* text) {
  if (!TakeLetterAndNumber('s', text)) return false;
  if (!TakeSymbol(':', text)) return true;
  do {
    if (!TakeLetterAndNumber('c', text)) return false;
    if (TakeSymbol('.', text) && !TakeLetterAndNumber('c', text)) return false;
  } while (TakeSymbol(',', text));
  return true;
}

bool IsLevel(std::string_view text) {
  if (!TakeSensitivity(&text)) return false;
  if (TakeSymbol('-', &text) && !TakeSensitivity(&text)) return false;
  return text.empty();
}

std::string OrDefault(const std::string& value, const char* otherwise) {
  return value.empty() ? otherwise : value;
}

// File systems without labels (NFS, FAT) say ENOTSUP; then there is nothing to do.
Status SetLabel(const std::string& name, const std::string& label, decltype(::setxattr)* set) {
  const int rc = set(name.c_str(), kLabelAttribute, label.c_str(), label.size() + 1, 0);
  return rc == 0 || errno == ENOTSUP || errno == ENOENT ? OkStatus() : Errno("set label");
}

}  // namespace

Result<SelinuxLabels> ResolveSelinux(const ContainerRequest& request, const HostFacts& host) {
  if (!host.selinux) return SelinuxLabels{};
  const RequestedSelinux options = request.selinux.value_or(RequestedSelinux{});
  if (!options.level.empty() && !IsLevel(options.level)) {
    return InvalidArgument("selinux_options: level '", options.level,
                           "' is malformed (such as s0, s0:c4,c5 or s0-s0:c0.c1023)");
  }
  const std::string level = OrDefault(options.level, "s0");
  SelinuxLabels out;
  out.process =
      Cat(OrDefault(options.user, "system_u"), ':', OrDefault(options.role, "system_r"), ':',
          OrDefault(options.type, request.privileged ? "spc_t" : "container_t"), ':', level);
  out.mount = Cat("system_u:object_r:container_file_t:", level);
  return out;
}

Status RelabelTree(const std::string& path, const std::string& label) {
  static constexpr std::array<std::string_view, 14> kSystem = {
      "/",     "/bin",  "/boot", "/dev",  "/etc", "/home", "/lib",
      "/proc", "/root", "/run",  "/sbin", "/sys", "/usr",  "/var"};
  if (std::find(kSystem.begin(), kSystem.end(), path) != kSystem.end()) return OkStatus();
  // By descriptor: below `path` a container may be writing, and a name that is looked up twice may
  // have become a link to the host's files.
  const UniqueFd top = CRISP_TRY(OpenFile(path, O_PATH | O_NOFOLLOW));
  CRISP_RETURN_IF_ERROR(SetLabel(Cat("/proc/self/fd/", top.get()), label, ::setxattr).Wrap(path));
  auto directory = OpenAt(top.get(), ".", O_RDONLY | O_DIRECTORY);
  if (!directory.ok()) {
    const bool file = directory.status().sys_errno() == ENOTDIR;
    return file ? OkStatus() : std::move(directory).status().Wrap("relabel ", path);
  }
  return WalkTree(DirFd(*std::move(directory)),
                  [&label](int dir, const std::string& name, const struct stat&) {
                    return SetLabel(Cat("/proc/self/fd/", dir, "/", name), label, ::lsetxattr)
                        .Wrap(name);
                  })
      .Wrap("relabel ", path);
}

}  // namespace crisp::oci
