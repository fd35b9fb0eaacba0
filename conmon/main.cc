// crisp-monitor: see README.md and --help.
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "conmon/confinement.h"
#include "conmon/handover.h"
#include "conmon/monitor.h"
#include "conmon/options.h"

namespace {

using crisp::Cat;
using crisp::Status;
using crisp::conmon::Options;

constexpr int kUsage = 2;

void Print(int fd, std::string_view text) {
  [[maybe_unused]] const ssize_t n = ::write(fd, text.data(), text.size());
}

// The daemon reads the control socket, not our stderr.
int Fail(const Status& status, int control_fd) {
  Print(STDERR_FILENO, Cat("crisp-monitor: ", status.message(), "\n"));
  crisp::conmon::ErrorBody body;
  body.code = static_cast<uint32_t>(status.code());
  body.sys_errno = status.sys_errno();
  body.text = Cat("crisp-monitor: ", status.message());
  const std::string packet =
      crisp::conmon::EncodePacket(crisp::conmon::MessageType::kCreateFailed, 0, body.Encode());
  ::send(control_fd, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return kUsage;
}

int Resume(int memfd) {
  crisp::conmon::ForbidTracing();  // first: the exec has allowed it again
  crisp::Result<crisp::conmon::Handover> state = crisp::conmon::Handover::Load(memfd);
  if (!state.ok()) return Fail(state.status(), -1);
  crisp::conmon::Monitor monitor(state->options());
  if (Status restored = state->Restore(&monitor); !restored.ok()) return Fail(restored, -1);
  return monitor.Run();
}

int RunMonitor(Options options) {
  if (options.resume_fd >= 0) return Resume(options.resume_fd);
  const int control_fd = options.control_fd;
  crisp::conmon::Monitor monitor(std::move(options));
  if (Status prepared = monitor.Prepare(); !prepared.ok()) return Fail(prepared, control_fd);
  return monitor.Run();
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  crisp::Result<Options> options = crisp::conmon::ParseOptions(arguments);
  if (!options.ok()) return Fail(options.status(), crisp::conmon::kControlFd);
  switch (options->action) {
    case Options::Action::kHelp:
      Print(STDOUT_FILENO, crisp::conmon::kHelpText);
      return 0;
    case Options::Action::kVersion:
      Print(STDOUT_FILENO, Cat(crisp::conmon::kProgram, " (protocol ", crisp::conmon::kProtocolMin,
                               " to ", crisp::conmon::kProtocolMax, ")\n"));
      return 0;
    case Options::Action::kResumeCheck:
      return options->resume_version <= crisp::conmon::Handover::kVersion ? 0 : 1;
    case Options::Action::kRun:
      break;
  }
  return RunMonitor(*std::move(options));
}
