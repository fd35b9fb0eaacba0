// Files that administrators and vendors drop into directories: CDI specs, OCI hooks, base specs.
//
// Threads: free functions.
// Errors:  name the path. A directory that does not exist holds no files. kInvalidArgument: not a
//          regular file; kResourceExhausted: over 4 MiB.
#ifndef CRISP_OCI_DROP_IN_FILES_H_
#define CRISP_OCI_DROP_IN_FILES_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace crisp::oci {

// Names with one of the endings (".json"), in lexical order; hidden ones are left out.
Result<std::vector<std::string>> ListDropInFiles(const std::string& directory,
                                                 std::initializer_list<std::string_view> endings);
// As ReadRegularFile of base/core/file.h.
Result<std::string> ReadDropInFile(const std::string& path);

}  // namespace crisp::oci

#endif  // CRISP_OCI_DROP_IN_FILES_H_
