// From a runtime's failure to a Status.
//
// What:     the text of the last error that the runtime printed (JSON or logfmt log lines, or plain
//           text) and the code that follows from it. The texts are the only thing that the runtimes
//           give; this is the one place that reads them, in one table per runtime. Everybody else
//           decides on codes.
// Contract: the output of runc 1.1 to 1.3 and crun 1.8 to 1.2x, as seen.
// Threads:  free functions without state.
#ifndef CRISP_OCI_RUNTIME_ERRORS_H_
#define CRISP_OCI_RUNTIME_ERRORS_H_

#include <string>
#include <string_view>

#include "base/core/result.h"

namespace crisp::oci {

// The message of the last line that is an error, without the log format around it.
std::string LastErrorLine(std::string_view output);

// kNotFound, kFailedPrecondition, kInvalidArgument (the command cannot be started) or kInternal.
Code CodeOfRuntimeError(std::string_view kind, std::string_view text);

// "runc start: cannot start an already running container".
Status RuntimeFailure(std::string_view kind, std::string_view operation, int exit_code,
                      std::string_view output);

}  // namespace crisp::oci

#endif  // CRISP_OCI_RUNTIME_ERRORS_H_
