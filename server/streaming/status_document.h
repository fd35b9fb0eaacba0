// What the error channel says at the end of a session.
//
// Contract: streaming.md section 6.3: one Status document in any case (v4, v5), or plain text and
//           only on failure (before v4, and port-forward).
// An empty string: nothing is to be written.
#ifndef CRISP_SERVER_STREAMING_STATUS_DOCUMENT_H_
#define CRISP_SERVER_STREAMING_STATUS_DOCUMENT_H_

#include <string>
#include <string_view>

#include "server/streaming/channels.h"

namespace crisp::streaming {

std::string SuccessDocument(ErrorFormat format);
// Of a command that has ended: 0 is success.
std::string ExitDocument(ErrorFormat format, int exit_code);
// `what`: "error executing command in container"; `text`: the reason. Any bytes.
std::string ErrorDocument(ErrorFormat format, std::string_view what, std::string_view text);

}  // namespace crisp::streaming

#endif  // CRISP_SERVER_STREAMING_STATUS_DOCUMENT_H_
