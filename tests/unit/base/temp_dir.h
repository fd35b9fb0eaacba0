// A directory that goes away with the test.
#ifndef CRISP_TESTS_UNIT_BASE_TEMP_DIR_H_
#define CRISP_TESTS_UNIT_BASE_TEMP_DIR_H_

#include <dirent.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

#include "base/core/dir_fd.h"

namespace crisp {

class TempDir {
 public:
  TempDir() {
    std::string name = testing::TempDir() + "crisp-base-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~TempDir() { EXPECT_TRUE(RemoveTreeAt(path_).ok()); }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// How many descriptors this process holds.
inline int OpenDescriptors() {
  int count = 0;
  DIR* dir = ::opendir("/proc/self/fd");
  while (::readdir(dir) != nullptr) ++count;
  ::closedir(dir);
  return count;
}

}  // namespace crisp

#endif  // CRISP_TESTS_UNIT_BASE_TEMP_DIR_H_
