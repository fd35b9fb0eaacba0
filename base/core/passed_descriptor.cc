#include "base/core/passed_descriptor.h"

#include <cstring>

namespace crisp {

UniqueFd TakeDescriptor(msghdr* message) {
  UniqueFd out;
  for (cmsghdr* c = CMSG_FIRSTHDR(message); c != nullptr; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
      UniqueFd taken(fd);  // closed here, all but the first
      if (!out) out = std::move(taken);
    }
  }
  return out;
}

}  // namespace crisp
