// Telling systemd how the daemon is.
//
// Contract: sd_notify(3), "Notes": one datagram of NAME=VALUE lines to the unix socket that
//           $NOTIFY_SOCKET names; '@' begins an abstract address. Spoken directly, because
//           libsystemd exists only as a shared library here and would bring four more.
// Threads:  any.
// Errors:   without $NOTIFY_SOCKET nothing is sent and that is fine.
#ifndef CRISP_SERVER_NOTIFY_H_
#define CRISP_SERVER_NOTIFY_H_

#include <string_view>

#include "base/core/result.h"

namespace crisp {

// E.g. "READY=1\nSTATUS=serving /run/crisp/crisp.sock".
Status NotifySystemd(std::string_view state);
// "MONOTONIC_USEC=<now>", which RELOADING=1 wants beside it.
std::string MonotonicUsec();

}  // namespace crisp

#endif  // CRISP_SERVER_NOTIFY_H_
