// The log facade: rooms say what happened with fields, the server decides where it goes.
//
// What:    log::Info("container started", {{"container", id}, {"pid", pid}}). The message is a
//          constant sentence; everything that varies is a field.
// Threads: any. The sink is set once by the daemon before threads start; without one, warnings and
//          errors go to stderr.
// Process-wide by design: passing a logger through every constructor would be noise. Failpoints
// and this sink are the only process-wide state.
#ifndef CRISP_BASE_LOG_H_
#define CRISP_BASE_LOG_H_

#include <concepts>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace crisp::log {

enum class Level { kTrace, kDebug, kInfo, kWarning, kError };

struct Field {
  std::string_view key;
  std::string value;

  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  Field(std::string_view k, const Status& v) : key(k), value(v.ToString()) {}
  Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  template <std::integral T>
  Field(std::string_view k, T v) : key(k), value(std::to_string(v)) {}
  template <typename T>
  requires requires(const T& t) {
    { t.short_str() } -> std::same_as<std::string>;
  }
  Field(std::string_view k, const T& v) : key(k), value(v.short_str()) {}
};
using Fields = std::initializer_list<Field>;

using Sink = std::function<void(Level, std::string_view message, std::span<const Field> fields)>;
// Called once, before other threads exist.
void SetSink(Sink sink);
// Messages below `level` are dropped before their fields are looked at by the sink.
void SetLevel(Level level);
bool Enabled(Level level);

void Write(Level level, std::string_view message, Fields fields);
inline void Trace(std::string_view m, Fields f = {}) { Write(Level::kTrace, m, f); }
inline void Debug(std::string_view m, Fields f = {}) { Write(Level::kDebug, m, f); }
inline void Info(std::string_view m, Fields f = {}) { Write(Level::kInfo, m, f); }
inline void Warning(std::string_view m, Fields f = {}) { Write(Level::kWarning, m, f); }
inline void Error(std::string_view m, Fields f = {}) { Write(Level::kError, m, f); }

}  // namespace crisp::log

#endif  // CRISP_BASE_LOG_H_
