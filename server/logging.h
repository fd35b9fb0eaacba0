// The daemon's log: where base/log.h's messages go.
//
// What:    text lines ("2026-11-24T12:00:00.123Z info  message key=value") or JSON objects, to
//          stderr or a file. The only user of spdlog.
// Threads: Apply from the main thread; messages from any.
// After a failed Apply the log is as it was.
#ifndef CRISP_SERVER_LOGGING_H_
#define CRISP_SERVER_LOGGING_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/log.h"
#include "server/config/config.h"

namespace crisp {

class Logging {
 public:
  // Installs the sink of base/log.h; once, before other threads exist. Logs to stderr at once.
  Logging();
  ~Logging();

  // Opens the target (again) and switches to it; also sets the level.
  Status Apply(const config::Log& options);

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the sink, which outlives this object
};

// What stands behind the time and level; exposed for tests.
std::string FormatLogText(std::string_view message, std::span<const log::Field> fields);
// `"msg":"...","key":"value"`, without braces.
std::string FormatLogJson(std::string_view message, std::span<const log::Field> fields);

}  // namespace crisp

#endif  // CRISP_SERVER_LOGGING_H_
