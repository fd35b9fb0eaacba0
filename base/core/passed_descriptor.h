// A descriptor that came with a message on a unix socket.
//
// Contract: unix(7), SCM_RIGHTS.
#ifndef CRISP_BASE_CORE_PASSED_DESCRIPTOR_H_
#define CRISP_BASE_CORE_PASSED_DESCRIPTOR_H_

#include <sys/socket.h>

#include "base/core/unique_fd.h"

namespace crisp {

// The first descriptor of a received message, which may have none; all others that it brought are
// closed. Receive with MSG_CMSG_CLOEXEC.
UniqueFd TakeDescriptor(msghdr* message);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_PASSED_DESCRIPTOR_H_
