// Where mounts end up in the image: no link of it may lead one into /proc.
//
// The runtime writes the process's labels and confinement through /proc/self/attr of the container;
// an image that has a directory of its own there would keep it from doing so (CVE-2019-16884,
// CVE-2019-19921).
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mount_table.h"
#include "oci/spec_parts.h"

namespace crisp::oci {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel's

std::string Parent(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

// The first element of `rest`, which it loses; "" at its end.
std::string TakeElement(std::string* rest) {
  const size_t begin = rest->find_first_not_of('/');
  if (begin == std::string::npos) return {};
  const size_t end = std::min(rest->find('/', begin), rest->size());
  std::string out = rest->substr(begin, end - begin);
  rest->erase(0, end);
  return out;
}

// The target of a link; empty: `path`, whose parents are no links, is none.
Result<std::string> LinkAt(const DirFd& rootfs, const std::string& path) {
  const auto opened = rootfs.OpenInRoot(path, O_PATH | O_NOFOLLOW);
  if (!opened.ok()) {
    const int error = opened.status().sys_errno();
    if (error == ENOENT || error == ENOTDIR) return std::string();
    return opened.status();
  }
  struct stat st {};
  if (::fstat(opened->get(), &st) != 0) return Errno("stat ", path, " of the image");
  if (!S_ISLNK(st.st_mode)) return std::string();
  char target[PATH_MAX];
  const ssize_t n = ::readlinkat(opened->get(), "", target, sizeof(target));
  if (n < 0) return Errno("read link ", path, " of the image");
  return std::string(target, static_cast<size_t>(n));
}

}  // namespace

Result<std::string> PlaceInRoot(const DirFd& rootfs, const std::string& path) {
  std::string done = "/";
  std::string rest = path;
  int links = 0;
  for (std::string element = TakeElement(&rest); !element.empty(); element = TakeElement(&rest)) {
    if (element == ".") continue;
    if (element == "..") {
      done = Parent(done);
      continue;
    }
    const std::string next = JoinPath(done, element);
    const std::string target = CRISP_TRY(LinkAt(rootfs, next));
    if (target.empty()) {
      done = next;
      continue;
    }
    if (++links > kMaxLinks) return InvalidArgument(path, ": too many links in the image");
    if (target.front() == '/') done = "/";
    rest = Cat(target, '/', rest);
  }
  return done;
}

Status CheckMountPlaces(const DirFd& rootfs, const Spec& spec) {
  for (const SpecMount& mount : spec.mounts) {
    const std::string place = CRISP_TRY(PlaceInRoot(rootfs, mount.destination));
    const std::string wanted = CleanContainerPath(mount.destination);
    if (place == wanted || (place != "/" && !IsAtOrBelow(place, "/proc"))) continue;
    return InvalidArgument("mount ", mount.destination, ": a link of the image leads it to ",
                           place);
  }
  return OkStatus();
}

}  // namespace crisp::oci
