// misbehave: stands in front of an OCI runtime, a CNI plugin or a program of crisp's own and does
// wrong on demand. It is installed as a symlink under the name of the program that it wraps.
//
// What:    beside the symlink P lie P.real (a symlink to the real program), P.faults (what to do;
//          no such file: nothing) and P.calls (which this program appends to, one word a line).
//          A line of P.faults is  WORD CALL FAULT [NUMBER [TEXT]]
//            WORD   the runtime's subcommand, CNI_COMMAND, "monitor", or "-" (of crisp-pull, which
//                   has no arguments)
//            CALL   1: the first call with this word since P.calls was removed; "*": each call
//            FAULT  exit N TEXT       say TEXT on stderr, exit with N
//                   refuse N TEXT     a CNI error object with code N on stdout, exit with 1
//                   crash N           die of signal N
//                   hang              sleep until a signal comes
//                   stuck             sleep; of all signals only SIGKILL helps
//                   rubbish N         N bytes of noise on stdout and stderr, then exit with 0
//                   nothing           exit with 0
//                   after N TEXT      do the work, then say TEXT on stderr and exit with N
//                   flood N           N bytes on stderr, then do the work
//                   gush N            N bytes on stdout, then do the work
//                   slow N            wait N milliseconds, then do the work
//                   refuse-hello      (monitor) answer crispd's hello as another protocol's monitor
//          What it does is in the calls file before it is done.
// Contract: the runtimes get no environment but PATH, so everything is in files.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>

#include "conmon/protocol.h"

namespace {

namespace conmon = crisp::conmon;

struct Fault {
  std::string name;
  long number = 0;
  std::string text;
};

std::string ReadText(const std::string& path) {
  std::string text;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  char chunk[4096];
  for (ssize_t n; (n = ::read(fd, chunk, sizeof(chunk))) > 0;) {
    text.append(chunk, static_cast<size_t>(n));
  }
  ::close(fd);
  return text;
}

// Bytes that repeat late, no newline among the first thousand.
void WriteNoise(int fd, long bytes) {
  char chunk[16384];
  unsigned state = 12345;
  for (char& c : chunk) {
    state = state * 1103515245 + 12345;
    c = static_cast<char>(state >> 16);
    if (c == '\n') c = '{';
  }
  chunk[1000] = '\n';
  while (bytes > 0) {
    const size_t size =
        bytes < static_cast<long>(sizeof(chunk)) ? static_cast<size_t>(bytes) : sizeof(chunk);
    const ssize_t n = ::write(fd, chunk, size);
    if (n <= 0) return;  // nobody reads any more
    bytes -= n;
  }
}

void Say(int fd, const std::string& text) {
  if (::write(fd, text.data(), text.size()) < 0) std::exit(99);
}

// The first argument that is no option of the program as a whole.
std::string WordOf(int argc, char** argv) {
  if (const char* command = std::getenv("CNI_COMMAND")) return command;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--id") return "monitor";
    if (argument == "--root" || argument == "--log" || argument == "--log-format") {
      ++i;
    } else if (argument != "--systemd-cgroup") {
      return argument;
    }
  }
  return "-";
}

// Notes the call and returns its number among those with the same word.
int NoteCall(const std::string& program, const std::string& word) {
  const std::string path = program + ".calls";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0 || ::flock(fd, LOCK_EX) != 0) std::exit(99);
  std::istringstream before(ReadText(path));
  int number = 1;
  for (std::string line; std::getline(before, line);) {
    if (line == word) ++number;
  }
  Say(fd, word + "\n");
  ::close(fd);  // and with it the lock
  return number;
}

Fault FindFault(const std::string& program, const std::string& word, int call) {
  std::istringstream lines(ReadText(program + ".faults"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string of_word;
    std::string of_call;
    Fault fault;
    fields >> of_word >> of_call >> fault.name >> fault.number;
    if (of_word != word || (of_call != "*" && of_call != std::to_string(call))) continue;
    std::getline(fields >> std::ws, fault.text);
    return fault;
  }
  return {};
}

[[noreturn]] void BecomeReal(const std::string& program, char** argv) {
  // The real path, not the symlink's: runc looks itself up, and a census shows names.
  char path[4096] = "";
  if (::realpath((program + ".real").c_str(), path) == nullptr) std::exit(98);
  argv[0] = path;
  ::execv(path, argv);
  std::exit(98);
}

int RunReal(const std::string& program, char** argv) {
  const pid_t child = ::fork();
  if (child == 0) BecomeReal(program, argv);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}

[[noreturn]] void Sleep() {
  for (;;) ::pause();
}

// A monitor of a future that this crispd does not know.
[[noreturn]] void RefuseHello() {
  char packet[conmon::kMaxPacket_bytes];
  const ssize_t n = ::recv(conmon::kControlFd, packet, sizeof(packet), 0);
  pollfd wait{conmon::kControlFd, POLLIN, 0};
  if (n < 0 && ::poll(&wait, 1, 10000) > 0) ::recv(conmon::kControlFd, packet, sizeof(packet), 0);
  conmon::UnsupportedBody body;
  body.type = static_cast<uint16_t>(conmon::MessageType::kHello);
  body.min = body.max = conmon::kProtocolMax + 1;
  const std::string answer =
      conmon::EncodePacket(conmon::MessageType::kUnsupported, 1, body.Encode());
  ::send(conmon::kControlFd, answer.data(), answer.size(), MSG_NOSIGNAL);
  ::poll(&wait, 1, 30000);  // until crispd gives up
  std::exit(1);
}

void Do(const Fault& fault, const std::string& program, char** argv) {
  const int code = static_cast<int>(fault.number);
  if (fault.name == "exit") {
    Say(STDERR_FILENO, fault.text + "\n");
    std::exit(code);
  } else if (fault.name == "refuse") {
    Say(STDOUT_FILENO, R"({"cniVersion": "1.0.0", "code": )" + std::to_string(code) +
                           R"(, "msg": ")" + fault.text + "\"}\n");
    std::exit(1);
  } else if (fault.name == "crash") {
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::signal(code, SIG_DFL);
    ::raise(code);
  } else if (fault.name == "hang") {
    Sleep();
  } else if (fault.name == "stuck") {
    for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_IGN);
    Sleep();
  } else if (fault.name == "rubbish") {
    WriteNoise(STDOUT_FILENO, fault.number);
    WriteNoise(STDERR_FILENO, fault.number);
    std::exit(0);
  } else if (fault.name == "nothing") {
    std::exit(0);
  } else if (fault.name == "after") {
    (void)RunReal(program, argv);
    Say(STDERR_FILENO, fault.text + "\n");
    std::exit(code);
  } else if (fault.name == "flood") {
    WriteNoise(STDERR_FILENO, fault.number);
  } else if (fault.name == "gush") {
    WriteNoise(STDOUT_FILENO, fault.number);
  } else if (fault.name == "slow") {
    ::poll(nullptr, 0, code);
  } else if (fault.name == "refuse-hello") {
    RefuseHello();
  } else {
    Say(STDERR_FILENO, "misbehave: unknown fault " + fault.name + "\n");
    std::exit(96);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string program = argv[0];
  const std::string word = WordOf(argc, argv);
  const int call = NoteCall(program, word);
  const Fault fault = FindFault(program, word, call);
  if (!fault.name.empty()) Do(fault, program, argv);
  BecomeReal(program, argv);
}
