#include "oci/account_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <charconv>

#include "base/core/file.h"

namespace crisp::oci {
namespace {

// The next piece of `rest` up to `separator`; `rest` becomes what follows.
std::string_view NextField(std::string_view* rest, char separator) {
  const size_t end = rest->find(separator);
  const std::string_view field = rest->substr(0, end);
  *rest = end == std::string_view::npos ? std::string_view() : rest->substr(end + 1);
  return field;
}

// Calls `take` with every line that can be an entry at all.
template <typename Take>
void ForEachLine(std::string_view text, Take take) {
  while (!text.empty()) {
    const std::string_view line = Trim(NextField(&text, '\n'));
    if (line.empty() || line.front() == '#' || line.find('\0') != std::string_view::npos) continue;
    take(line);
  }
}

}  // namespace

std::optional<uint32_t> ParseAccountId(std::string_view text) {
  uint32_t out = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  if (text.empty() || error != std::errc() || stop != end || out == UINT32_MAX) return std::nullopt;
  return out;
}

Result<std::optional<std::string>> ReadAccountFile(const DirFd& rootfs, const std::string& path) {
  // O_NONBLOCK: opening a FIFO that an image put there must not hang.
  auto opened = rootfs.OpenInRoot(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!opened.ok()) {
    const int error = opened.status().sys_errno();
    if (error == ENOENT || error == ENOTDIR || error == ELOOP) {
      return std::optional<std::string>();
    }
    if (error == ENXIO) return InvalidArgument("/", path, " of the image is not a regular file");
    return std::move(opened).status();
  }
  struct stat st {};
  if (::fstat(opened->get(), &st) != 0) return Errno("stat /", path, " of the image");
  if (!S_ISREG(st.st_mode)) {
    return InvalidArgument("/", path, " of the image is not a regular file");
  }
  return std::optional<std::string>(
      CRISP_TRY(ReadAll(opened->get(), kAccountFileLimit_bytes).Wrap("/", path, " of the image")));
}

std::vector<PasswdEntry> ParsePasswd(std::string_view text) {
  std::vector<PasswdEntry> out;
  ForEachLine(text, [&out](std::string_view line) {
    PasswdEntry entry;
    entry.name = NextField(&line, ':');
    NextField(&line, ':');  // password
    const auto uid = ParseAccountId(NextField(&line, ':'));
    const auto gid = ParseAccountId(NextField(&line, ':'));
    NextField(&line, ':');  // gecos
    entry.home = NextField(&line, ':');
    if (entry.name.empty() || !uid || !gid) return;
    entry.uid = *uid;
    entry.gid = *gid;
    out.push_back(std::move(entry));
  });
  return out;
}

std::vector<GroupEntry> ParseGroup(std::string_view text) {
  std::vector<GroupEntry> out;
  ForEachLine(text, [&out](std::string_view line) {
    GroupEntry entry;
    entry.name = NextField(&line, ':');
    NextField(&line, ':');  // password
    const auto gid = ParseAccountId(NextField(&line, ':'));
    if (entry.name.empty() || !gid) return;
    entry.gid = *gid;
    while (!line.empty()) {
      const std::string_view member = Trim(NextField(&line, ','));
      if (!member.empty()) entry.members.emplace_back(member);
    }
    out.push_back(std::move(entry));
  });
  return out;
}

}  // namespace crisp::oci
