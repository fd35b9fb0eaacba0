// A temporary directory that plays a container's root file system.
#ifndef CRISP_TESTS_UNIT_OCI_TEST_ROOTFS_H_
#define CRISP_TESTS_UNIT_OCI_TEST_ROOTFS_H_

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/core/dir_fd.h"
#include "oci/host_facts.h"
#include "oci/spec_builder.h"

namespace crisp::oci {

class TestRootfs {
 public:
  TestRootfs() {
    std::string pattern = (std::filesystem::temp_directory_path() / "crisp-oci-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    std::filesystem::create_directories(path_ + "/etc");
  }
  TestRootfs(const TestRootfs&) = delete;
  TestRootfs& operator=(const TestRootfs&) = delete;
  ~TestRootfs() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  DirFd dir() const { return DirFd::Open(path_).value(); }
  void Write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories(std::filesystem::path(path_ + "/" + name).parent_path());
    std::ofstream(path_ + "/" + name, std::ios::binary) << content;
  }
  void Symlink(const std::string& target, const std::string& name) const {
    std::filesystem::create_symlink(target, path_ + "/" + name);
  }

 private:
  std::string path_;
};

// A machine with everything: all 41 capabilities, seccomp, a current kernel, no LSM.
inline HostFacts FullHost() {
  HostFacts host;
  host.kernel_capabilities = (uint64_t{1} << 41) - 1;
  host.bounding_capabilities = host.kernel_capabilities;
  host.may_lower_oom_score = true;
  host.seccomp = true;
  host.kernel_major = 6;
  host.kernel_minor = 1;
  return host;
}

inline RequestedMount HostMount(const std::string& container_path, const std::string& host_path) {
  RequestedMount out;
  out.container_path = container_path;
  out.host_path = host_path;
  return out;
}

// The smallest request that BuildSpec accepts.
inline ContainerRequest SmallRequest(const TestRootfs& rootfs) {
  ContainerRequest request;
  request.container_id = std::string(64, 'a');
  request.container_name = "web";
  request.sandbox_id = std::string(64, 'b');
  request.command = {"/bin/true"};
  request.rootfs = rootfs.path();
  request.pid_ns = "";
  request.network_ns = "/run/ns/net";
  request.ipc_ns = "/run/ns/ipc";
  request.uts_ns = "/run/ns/uts";
  request.cgroups_path = "/pods/a";
  return request;
}

}  // namespace crisp::oci

#endif  // CRISP_TESTS_UNIT_OCI_TEST_ROOTFS_H_
