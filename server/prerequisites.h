// What crispd does not start without, of what its configuration names.
//
// What:    helper programs, systemd, the socket's group, the files for TLS. crispd asks before it
//          touches anything, and so does `crisp config check`.
// Threads: free functions; they change nothing. getgrnam(3): one at a time.
#ifndef CRISP_SERVER_PREREQUISITES_H_
#define CRISP_SERVER_PREREQUISITES_H_

#include <sys/types.h>

#include <vector>

#include "base/core/result.h"
#include "server/config/config.h"

namespace crisp {

// An error for each that is missing, with its key.
std::vector<Status> MissingPrerequisites(const config::Config& config);

// The id of socket.group; -1 (chown(2): as it is) when none is configured.
Result<gid_t> GetSocketGroup(const config::Socket& socket);

}  // namespace crisp

#endif  // CRISP_SERVER_PREREQUISITES_H_
