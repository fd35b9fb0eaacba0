// crisp: the command-line tool.
#include <signal.h>

#include <cstdlib>

#include "server/cli/commands.h"

int main(int argc, char** argv) {
  // gRPC's own lines mean nothing to the person at the terminal: errors come as statuses.
  ::setenv("GRPC_VERBOSITY", "NONE", 0);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, nullptr);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (!arguments.empty() && arguments[0] == "run") {
    // Before gRPC starts threads: `run` reads them from a descriptor.
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGINT);
    ::sigaddset(&signals, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  }
  return crisp::cli::RunCommandLine(arguments);
}
