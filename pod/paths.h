// Where a sandbox and a container live on disk. Every outside name derives from the id, so that an
// undo needs nothing else. The tree is drawn in DESIGN section 5 and pod/README.md.
#ifndef CRISP_POD_PATHS_H_
#define CRISP_POD_PATHS_H_

#include <string>

#include "base/core/file.h"
#include "base/ids.h"

namespace crisp::pod {

struct Roots {
  std::string root;   // survives a reboot
  std::string state;  // does not
};

class SandboxPaths {
 public:
  SandboxPaths(const Roots& roots, const SandboxId& id)
      : state_(JoinPath(JoinPath(roots.state, "pods"), id.str())),
        namespaces_(JoinPath(JoinPath(roots.state, "ns"), id.str())) {}

  const std::string& state() const { return state_; }
  const std::string& namespaces() const { return namespaces_; }
  std::string net() const { return namespaces_ + "/net"; }
  std::string ipc() const { return namespaces_ + "/ipc"; }
  std::string uts() const { return namespaces_ + "/uts"; }
  std::string user() const { return namespaces_ + "/user"; }
  std::string pid() const { return namespaces_ + "/pid"; }
  std::string shm() const { return state_ + "/shm"; }
  std::string resolv_conf() const { return state_ + "/resolv.conf"; }
  std::string hostname() const { return state_ + "/hostname"; }
  std::string hosts() const { return state_ + "/hosts"; }
  // Of the init process of a shared PID namespace: bundle, rootfs and the monitor's files.
  std::string init_bundle() const { return state_ + "/init"; }
  std::string init_rootfs() const { return state_ + "/init/rootfs"; }
  std::string init_monitor() const { return state_ + "/init/monitor"; }

 private:
  std::string state_;
  std::string namespaces_;
};

class ContainerPaths {
 public:
  ContainerPaths(const Roots& roots, const ContainerId& id)
      : data_(JoinPath(JoinPath(roots.root, "containers"), id.str())),
        state_(JoinPath(JoinPath(roots.state, "containers"), id.str())) {}

  const std::string& data() const { return data_; }
  std::string upper() const { return data_ + "/upper"; }
  std::string work() const { return data_ + "/work"; }
  std::string bundle() const { return data_ + "/bundle"; }
  std::string config_json() const { return data_ + "/bundle/config.json"; }
  std::string volumes() const { return data_ + "/volumes"; }
  std::string passwd() const { return data_ + "/passwd"; }  // over the image's; not always there
  const std::string& state() const { return state_; }
  std::string rootfs() const { return state_ + "/merged"; }
  std::string execs() const { return state_ + "/execs"; }
  // Idmapped copies of volumes, while the runtime makes the container.
  std::string mounts() const { return state_ + "/mounts"; }

 private:
  std::string data_;
  std::string state_;
};

}  // namespace crisp::pod

#endif  // CRISP_POD_PATHS_H_
