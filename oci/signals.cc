// Signal names: cri-contract 7.3 (stop signals of images and of the CRI's enum).
#include <signal.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "oci/spec_builder.h"

namespace crisp::oci {
namespace {

struct NamedSignal {
  std::string_view name;
  int number;
};

// signal(7), Linux. The first name of a number is the one that is printed.
constexpr NamedSignal kSignals[] = {
    {"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"BUS", SIGBUS},       {"CHLD", SIGCHLD},
    {"CLD", SIGCHLD},  {"CONT", SIGCONT}, {"FPE", SIGFPE},       {"HUP", SIGHUP},
    {"ILL", SIGILL},   {"INT", SIGINT},   {"IO", SIGIO},         {"IOT", SIGABRT},
    {"KILL", SIGKILL}, {"PIPE", SIGPIPE}, {"POLL", SIGPOLL},     {"PROF", SIGPROF},
    {"PWR", SIGPWR},   {"QUIT", SIGQUIT}, {"SEGV", SIGSEGV},     {"STKFLT", SIGSTKFLT},
    {"STOP", SIGSTOP}, {"SYS", SIGSYS},   {"TERM", SIGTERM},     {"TRAP", SIGTRAP},
    {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},     {"URG", SIGURG},
    {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"VTALRM", SIGVTALRM}, {"WINCH", SIGWINCH},
    {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}};

// The C library keeps the first two real-time signals for itself; the kernel and the CRI's enum
// count as the C library does (SIGRTMIN is 34).
constexpr int kRtMin = 34;
constexpr int kRtMax = 64;
constexpr int kHighestEnumPlus = 15;  // SIGRTMINPLUS15; above, the enum counts down from SIGRTMAX

// The n of a whole text "n"; empty otherwise.
std::optional<int> WholeNumber(std::string_view text) {
  int out = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return out;
}

// "RTMIN", "RTMIN+3", "RTMINPLUS3", "RTMAX", "RTMAX-1", "RTMAXMINUS1".
std::optional<int> FindRealTime(std::string_view name) {
  const bool from_min = name.starts_with("RTMIN");
  if (!from_min && !name.starts_with("RTMAX")) return std::nullopt;
  std::string_view rest = name.substr(5);
  const int base = from_min ? kRtMin : kRtMax;
  if (rest.empty()) return base;
  for (std::string_view sign : from_min ? std::array<std::string_view, 2>{"+", "PLUS"}
                                        : std::array<std::string_view, 2>{"-", "MINUS"}) {
    if (!rest.starts_with(sign)) continue;
    const auto offset = WholeNumber(rest.substr(sign.size()));
    if (!offset || *offset < 0) return std::nullopt;
    const int number = from_min ? base + *offset : base - *offset;
    return number >= kRtMin && number <= kRtMax ? std::optional(number) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<int> FindSignal(std::string_view upper) {
  if (const auto number = WholeNumber(upper)) {
    return *number >= 1 && *number <= kRtMax ? number : std::nullopt;
  }
  if (upper.starts_with("SIG")) upper.remove_prefix(3);
  for (const NamedSignal& known : kSignals) {
    if (known.name == upper) return known.number;
  }
  return FindRealTime(upper);
}

}  // namespace

Result<int> ParseSignal(const std::string& name) {
  std::string upper = name;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (const auto number = FindSignal(upper)) return *number;
  return InvalidArgument("signal '", name,
                         "' is unknown (a name such as SIGTERM or SIGRTMIN+3, or 1 to 64)");
}

std::string CriSignalName(int signal) {
  for (const NamedSignal& known : kSignals) {
    if (known.number == signal) return Cat("SIG", known.name);
  }
  if (signal == kRtMin) return "SIGRTMIN";
  if (signal == kRtMax) return "SIGRTMAX";
  if (signal > kRtMin && signal <= kRtMin + kHighestEnumPlus) {
    return Cat("SIGRTMINPLUS", signal - kRtMin);
  }
  if (signal > kRtMin && signal < kRtMax) return Cat("SIGRTMAXMINUS", kRtMax - signal);
  return Cat(signal);
}

}  // namespace crisp::oci
