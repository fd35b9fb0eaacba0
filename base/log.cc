#include "base/log.h"

#include <atomic>
#include <cstdio>

namespace crisp::log {
namespace {

std::atomic<Level> g_level{Level::kInfo};
Sink& TheSink() {
  static Sink sink;
  return sink;
}

}  // namespace

void SetSink(Sink sink) { TheSink() = std::move(sink); }
void SetLevel(Level level) { g_level.store(level); }
bool Enabled(Level level) { return level >= g_level.load(std::memory_order_relaxed); }

void Write(Level level, std::string_view message, Fields fields) {
  if (!Enabled(level)) return;
  if (const Sink& sink = TheSink()) {
    sink(level, message, std::span(fields.begin(), fields.size()));
    return;
  }
  if (level < Level::kWarning) return;
  std::string line(message);
  for (const Field& field : fields) line += Cat(' ', field.key, '=', field.value);
  line += '\n';
  std::fputs(line.c_str(), stderr);
}

}  // namespace crisp::log
