#include "base/directory_watch.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/core/file.h"
#include "base/log.h"

namespace crisp {
namespace {

// IN_CLOSE_WRITE and not IN_MODIFY: a file that is being written is half a document. IN_ATTRIB: a
// chmod may make a file readable.
constexpr uint32_t kEvents = IN_CREATE | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_TO | IN_MOVED_FROM |
                             IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

// "/etc/cdi" -> {"/", "etc"}, {"/etc", "cdi"}, {"/etc/cdi", ""}
std::vector<std::pair<std::string, std::string>> Components(const std::string& path) {
  std::vector<std::pair<std::string, std::string>> out;
  std::string done = "/";
  std::string_view rest = path;
  for (;;) {
    rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
    const std::string name(rest.substr(0, rest.find('/')));
    out.emplace_back(done, name);
    if (name.empty()) return out;
    done = JoinPath(done, name);
    rest.remove_prefix(name.size());
  }
}

// A file that was just made by open(2) is still empty, and IN_CLOSE_WRITE will follow; a link is
// complete and raises nothing else.
bool IsLink(const std::string& path) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return true;
  return !S_ISREG(st.st_mode) || st.st_nlink > 1;
}

}  // namespace

DirectoryWatch::DirectoryWatch(std::vector<std::string> directories)
    : directories_(std::move(directories)), inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (!inotify_) {
    log::Warning("directories are not watched but read anew each time",
                 {{"error", Errno("inotify_init1")}});
  }
}

bool DirectoryWatch::TakeChanged() {
  if (!inotify_) return true;
  const bool changed = DrainMatters();
  if (reliable_ && !changed) return false;
  // Before the caller reads: what happens meanwhile is in the queue.
  reliable_ = EnsureWatches();
  return true;
}

bool DirectoryWatch::EnsureWatches() {
  bool all = true;
  std::map<int, Interest> now;
  for (const std::string& directory : directories_) {
    for (const auto& [path, next] : Components(directory)) {
      // The same directory gives the same descriptor again.
      const int wd = ::inotify_add_watch(inotify_.get(), path.c_str(), kEvents);
      if (wd < 0) {
        const bool absent = errno == ENOENT || errno == ENOTDIR;
        if (!absent && !std::exchange(warned_, true)) {
          log::Warning("directory is not watched", {{"error", Errno("watch ", path)}});
        }
        all = all && absent;
        break;
      }
      Interest& interest = now[wd];
      interest.path = path;
      if (next.empty()) {
        interest.content = true;
      } else {
        interest.names.insert(next);
      }
    }
  }
  for (const auto& [wd, unused] : watched_) {
    if (!now.contains(wd)) ::inotify_rm_watch(inotify_.get(), wd);
  }
  watched_ = std::move(now);
  warned_ = warned_ && !all;
  return all;
}

bool DirectoryWatch::Matters(const inotify_event& event) const {
  if ((event.mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) != 0) return true;
  const auto at = watched_.find(event.wd);
  if (at == watched_.end() || event.len == 0) return false;
  const Interest& interest = at->second;
  const std::string name = event.name;
  if (interest.names.contains(name) &&
      (event.mask & (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB)) != 0) {
    return true;
  }
  if (!interest.content) return false;
  return (event.mask & IN_CREATE) == 0 || IsLink(JoinPath(interest.path, name));
}

bool DirectoryWatch::DrainMatters() {
  bool matters = false;
  alignas(inotify_event) char buffer[8192];
  for (;;) {
    const ssize_t n = ::read(inotify_.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return matters;
    for (ssize_t at = 0; at < n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      matters = matters || Matters(*event);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
}

}  // namespace crisp
