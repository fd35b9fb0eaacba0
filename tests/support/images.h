// Images for tests, made from this machine's busybox by deploy/busybox-image.
//
// What:     MakeLayout makes an OCI layout; StartRegistry runs docker-registry on loopback;
//           PushLayout copies a layout there with skopeo.
// Errors:   kNotFound when a program is missing.
#ifndef CRISP_TESTS_SUPPORT_IMAGES_H_
#define CRISP_TESTS_SUPPORT_IMAGES_H_

#include <string>

#include "base/core/child_process.h"
#include "base/core/result.h"

namespace crisp::test {

inline constexpr char kBusybox[] = "docker.io/library/busybox:latest";

struct LayoutOptions {
  std::string name = kBusybox;
  std::string config;   // the image's "config" object; empty: a shell
  std::string add_dir;  // laid over the root file system
};

// The image id ("sha256:...").
Result<std::string> MakeLayout(const std::string& dir, const LayoutOptions& options = {});

// /etc/passwd and /etc/group with user alice (1000, group 1000 and member of 50000 "extra").
Status WriteAccounts(const std::string& dir);

// Listens on 127.0.0.1:`port` when it returns; data below `dir`. Killed with the ChildProcess.
Result<ChildProcess> StartRegistry(const std::string& dir, int port);
// `repository`: "127.0.0.1:5000/test/busybox:1".
Status PushLayout(const std::string& dir, const std::string& name, const std::string& repository);

}  // namespace crisp::test

#endif  // CRISP_TESTS_SUPPORT_IMAGES_H_
