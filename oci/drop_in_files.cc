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
  return ReadRegularFile(path, kLimit_bytes);
}

}  // namespace crisp::oci
