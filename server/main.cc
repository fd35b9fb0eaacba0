// crispd: arguments, signals, and the life of the Daemon.
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/failpoint.h"
#include "base/log.h"
#include "pod/pod_service.h"
#include "server/config/load.h"
#include "server/daemon.h"
#include "server/descriptor_limit.h"
#include "server/logging.h"
#include "server/memory.h"
#include "server/notify.h"

namespace crisp {
namespace {

constexpr char kUsage[] =
    "usage: crispd [--config FILE] [--version] [--list-steps] [--help]\n"
    "\n"
    "The crisp container runtime: serves the Kubernetes CRI on a unix socket.\n"
    "\n"
    "  --config FILE  configuration (default /etc/crisp/crisp.yaml, which may be missing);\n"
    "                 conf.d/*.yaml beside it is read afterwards\n"
    "  --version      print the version and exit\n"
    "  --list-steps   print the steps of every operation (for fault tests) and exit\n"
    "\n"
    "Signals: SIGTERM, SIGINT stop it (containers run on); SIGHUP reads the configuration again.\n";

struct Arguments {
  std::string config = config::kDefaultPath;
  bool config_given = false;
};

// Exits for --help, --version and mistakes.
Arguments ParseArguments(int argc, char** argv) {
  Arguments out;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      std::fputs(kUsage, stdout);
      std::exit(0);
    } else if (argument == "--version") {
      std::puts("crispd " CRISP_VERSION);
      std::exit(0);
    } else if (argument == "--list-steps") {
      for (const std::string& step : pod::ListSteps()) std::puts(step.c_str());
      std::exit(0);
    } else if (argument == "--config" && i + 1 < argc) {
      out.config = argv[++i];
      out.config_given = true;
    } else if (argument.starts_with("--config=")) {
      out.config = argument.substr(9);
      out.config_given = true;
    } else {
      std::fprintf(stderr, "crispd: unknown argument '%s'\n%s", argument.c_str(), kUsage);
      std::exit(2);
    }
  }
  return out;
}

sigset_t BlockSignals() {
  sigset_t waited;
  ::sigemptyset(&waited);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&waited, signal);
  sigset_t blocked = waited;
  ::sigaddset(&blocked, SIGCHLD);  // the loop reads it from a signalfd
  ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, nullptr);
  return waited;
}

void Notify(std::string_view state) {
  const Status sent = NotifySystemd(state);
  if (!sent.ok()) log::Warning("cannot tell systemd", {{"error", sent}});
}

void Reload(Daemon* daemon, const Arguments& arguments) {
  Notify(Cat("RELOADING=1\n", MonotonicUsec()));
  Result<config::Loaded> loaded =
      config::Load(arguments.config, arguments.config_given, config::Surroundings::Detect());
  Status status = loaded.ok() ? daemon->Reload(loaded->config) : std::move(loaded).status();
  if (status.ok()) {
    log::Info("configuration reloaded");
  } else {
    log::Error("configuration not reloaded, the old one stays", {{"error", status}});
  }
  Notify("READY=1");
}

// For a person at a terminal and for the journal alike.
int Fail(const Status& status) {
  log::Error("crispd cannot start", {{"error", status}});
  Notify(Cat("STATUS=", status.message(), "\nERRNO=", status.sys_errno()));
  return 1;
}

int Main(int argc, char** argv) {
  const Arguments arguments = ParseArguments(argc, argv);
  LimitMalloc();
  EndWithoutMemory();
  const sigset_t signals = BlockSignals();
  ::umask(022);
  Logging logging;
  if (Status raised = RaiseDescriptorLimit(); !raised.ok()) {
    log::Warning("crispd goes on with the descriptors that it has", {{"error", raised}});
  }
  if (const char* armed = std::getenv("CRISP_FAILPOINTS"); armed != nullptr) {
    if (Status status = failpoint::Arm(armed); !status.ok()) return Fail(status);
  }
  Result<config::Loaded> loaded =
      config::Load(arguments.config, arguments.config_given, config::Surroundings::Detect());
  if (!loaded.ok()) return Fail(loaded.status());
  if (Status applied = logging.Apply(loaded->config.log); !applied.ok()) return Fail(applied);
  const std::string socket = loaded->config.socket.path;
  Result<std::unique_ptr<Daemon>> daemon = Daemon::Open(std::move(loaded->config), &logging);
  if (!daemon.ok()) return Fail(daemon.status());
  log::Info("crispd serves", {{"version", CRISP_VERSION}, {"socket", socket}});
  Notify(Cat("READY=1\nSTATUS=serving ", socket));
  ReleaseStartMemory();

  for (;;) {
    int signal = 0;
    if (::sigwait(&signals, &signal) != 0) continue;
    if (signal == SIGHUP) {
      Reload(daemon->get(), arguments);
      continue;
    }
    log::Info("stopping; containers run on", {{"signal", signal}});
    break;
  }
  Notify("STOPPING=1");
  // A second signal ends the process at once.
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  (*daemon)->Stop();
  log::Info("stopped");
  return 0;
}

}  // namespace
}  // namespace crisp

int main(int argc, char** argv) { return crisp::Main(argc, argv); }
