#include "base/failpoint.h"

#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <limits>
#include <map>
#include <mutex>
#include <thread>

#include "base/log.h"

namespace crisp::failpoint {
namespace internal {
std::atomic<bool> g_any_armed{false};
}

namespace {

enum class Action { kOff, kError, kSleep, kKill };
struct Armed {
  Action action = Action::kOff;
  int64_t hits_left = std::numeric_limits<int64_t>::max();
  std::string message;
  int64_t sleep_ms = 0;
};

std::mutex g_mutex;
std::map<std::string, Armed, std::less<>>& Table() {
  static std::map<std::string, Armed, std::less<>> table;
  return table;
}

bool ParseNumber(std::string_view text, int64_t* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size() && *out >= 0;
}

Result<std::pair<std::string, Armed>> ParseOne(std::string_view part) {
  const Status wrong = InvalidArgument("failpoint '", part,
                                       "': wanted name=[N*]error[:message]|sleep:<ms>|kill|off");
  const size_t equals = part.find('=');
  if (equals == std::string_view::npos || equals == 0) return wrong;
  std::string_view rest = part.substr(equals + 1);
  Armed armed;
  // Only before the verb: a message may have a star of its own.
  if (const size_t star = rest.find('*'); star < rest.find(':')) {
    if (!ParseNumber(rest.substr(0, star), &armed.hits_left)) return wrong;
    rest.remove_prefix(star + 1);
  }
  const size_t colon = rest.find(':');
  const std::string_view verb = rest.substr(0, colon);
  const std::string_view argument =
      colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  if (verb == "error") {
    armed.action = Action::kError;
    armed.message = argument.empty() ? "injected" : std::string(argument);
  } else if (verb == "sleep") {
    armed.action = Action::kSleep;
    if (!ParseNumber(argument, &armed.sleep_ms)) return wrong;
  } else if (verb == "kill") {
    armed.action = Action::kKill;
  } else if (verb != "off") {
    return wrong;
  }
  return std::pair(std::string(part.substr(0, equals)), std::move(armed));
}

}  // namespace

Status Arm(std::string_view specification) {
  std::map<std::string, Armed> parsed;
  while (!specification.empty()) {
    const size_t semicolon = specification.find(';');
    const std::string_view part = specification.substr(0, semicolon);
    specification = semicolon == std::string_view::npos ? "" : specification.substr(semicolon + 1);
    if (part.empty()) continue;
    auto one = CRISP_TRY(ParseOne(part));
    parsed.insert_or_assign(std::move(one.first), std::move(one.second));
  }
  std::lock_guard lock(g_mutex);
  for (auto& [name, armed] : parsed) Table()[name] = std::move(armed);
  internal::g_any_armed.store(!Table().empty());
  return OkStatus();
}

void DisarmAll() {
  std::lock_guard lock(g_mutex);
  Table().clear();
  internal::g_any_armed.store(false);
}

Status internal::HitSlow(std::string_view name) {
  Armed armed;
  {
    std::lock_guard lock(g_mutex);
    const auto it = Table().find(name);
    if (it == Table().end() || it->second.hits_left == 0) return OkStatus();
    --it->second.hits_left;
    armed = it->second;
  }
  log::Warning("failpoint hit", {{"name", name}});
  switch (armed.action) {
    case Action::kOff:
      return OkStatus();
    case Action::kError:
      return Internal("failpoint ", name, ": ", armed.message);
    case Action::kSleep:
      std::this_thread::sleep_for(std::chrono::milliseconds(armed.sleep_ms));
      return OkStatus();
    case Action::kKill:
      ::kill(::getpid(), SIGKILL);
      ::pause();
  }
  return OkStatus();
}

}  // namespace crisp::failpoint
