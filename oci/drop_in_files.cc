#include "oci/drop_in_files.h"

#include <algorithm>

#include "base/core/dir_fd.h"
#include "base/core/file.h"

namespace crisp::oci {
namespace {

constexpr size_t kLimit_bytes = 4u << 20;

}  // namespace

Result<std::vector<std::string>> ListDropInFiles(const std::string& directory,
                                                 std::initializer_list<std::string_view> endings) {
  Result<DirFd> opened = DirFd::Open(directory);
  if (opened.status().code() == Code::kNotFound) return std::vector<std::string>();
  if (!opened.ok()) return std::move(opened).status();
  std::vector<std::string> out = CRISP_TRY(opened->List().Wrap(directory));
  std::erase_if(out, [&endings](const std::string& name) {
    return name.starts_with('.') ||
           std::none_of(endings.begin(), endings.end(),
                        [&name](std::string_view ending) { return name.ends_with(ending); });
  });
  std::sort(out.begin(), out.end());
  return out;
}

Result<std::string> ReadDropInFile(const std::string& path) {
  const UniqueFd fd = CRISP_TRY(OpenFile(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return Errno("stat ", path);
  if (!S_ISREG(st.st_mode)) return InvalidArgument(path, ": not a regular file");
  return ReadAll(fd.get(), kLimit_bytes).Wrap(path);
}

}  // namespace crisp::oci
