// The OCI runtime's own account of a failure, out of its --log file.
//
// Contract: with --log FILE --log-format json both runc (logrus) and crun write one JSON object a
//           line with "msg" and "level". The bytes are foreign: anything is accepted, nothing is
//           believed beyond being text.
// Threads:  pure.
#ifndef CRISP_CONMON_RUNTIME_LOG_H_
#define CRISP_CONMON_RUNTIME_LOG_H_

#include <string>
#include <string_view>

namespace crisp::conmon {

// "msg" of the last line whose level is error or fatal; without one, of the last line that has a
// "msg"; empty when there is none. At most 4 KiB, control characters replaced by spaces.
std::string LastErrorMessage(std::string_view log);
// The last non-empty line of plain text (a runtime's stderr), limited and cleaned likewise.
std::string LastTextLine(std::string_view text);

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_RUNTIME_LOG_H_
