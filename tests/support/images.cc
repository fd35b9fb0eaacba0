#include "tests/support/images.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/core/file.h"
#include "tests/support/patience.h"
#include "tests/support/test_daemon.h"

namespace crisp::test {
namespace {

Result<std::string> RunProgram(std::vector<std::string> argv) {
  RunOptions run;
  run.argv = std::move(argv);
  run.deadline = MonoNow() + Patient(std::chrono::seconds(60));
  RunOutput output = CRISP_TRY(crisp::Run(run));
  if (!output.status.success()) {
    return Internal(run.argv[0], " ended with ", output.status.code, ": ", output.stderr_data);
  }
  return std::string(Trim(output.stdout_data));
}

bool Listens(int port) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

}  // namespace

Result<std::string> MakeLayout(const std::string& dir, const LayoutOptions& options) {
  std::vector<std::string> argv = {CRISP_TEST_SOURCE_DIR "/deploy/busybox-image", "--name",
                                   options.name};
  if (!options.config.empty()) argv.insert(argv.end(), {"--config", options.config});
  if (!options.add_dir.empty()) argv.insert(argv.end(), {"--add", options.add_dir});
  argv.push_back(dir);
  return RunProgram(std::move(argv));
}

Status WriteAccounts(const std::string& dir) {
  CRISP_RETURN_IF_ERROR(EnsureDirectory(Cat(dir, "/etc")));
  CRISP_RETURN_IF_ERROR(WriteFile(Cat(dir, "/etc/passwd"),
                                  "root:x:0:0:root:/root:/bin/sh\n"
                                  "alice:x:1000:1000:Alice:/home:/bin/sh\n"
                                  "nobody:x:65534:65534:nobody:/:/bin/false\n"));
  return WriteFile(Cat(dir, "/etc/group"),
                   "root:x:0:\nalice:x:1000:\nextra:x:50000:alice\nnogroup:x:65534:\n");
}

Result<ChildProcess> StartRegistry(const std::string& dir, int port) {
  const std::string program = FindProgram("docker-registry");
  if (program.empty()) return NotFound("docker-registry is not installed");
  CRISP_RETURN_IF_ERROR(EnsureDirectory(Cat(dir, "/data")));
  CRISP_RETURN_IF_ERROR(WriteFile(
      Cat(dir, "/config.yml"),
      Cat("version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: ", dir,
          "/data\nhttp:\n  addr: 127.0.0.1:", port, "\n")));
  SpawnOptions spawn;
  spawn.argv = {program, "serve", Cat(dir, "/config.yml")};
  ChildProcess registry = CRISP_TRY(ChildProcess::Spawn(spawn));
  const MonoTime deadline = MonoNow() + Patient(std::chrono::seconds(10));
  while (!Listens(port)) {
    if (MonoNow() > deadline || registry.Poll())
      return Unavailable("docker-registry did not start");
    ::poll(nullptr, 0, 10);
  }
  return registry;
}

Status PushLayout(const std::string& dir, const std::string& name, const std::string& repository) {
  const std::string skopeo = FindProgram("skopeo");
  if (skopeo.empty()) return NotFound("skopeo is not installed");
  return RunProgram({skopeo, "copy", "--insecure-policy", "--dest-tls-verify=false",
                     Cat("oci:", dir, ":", name), Cat("docker://", repository)})
      .status();
}

}  // namespace crisp::test
