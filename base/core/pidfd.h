// <sys/pidfd.h> for C++: glibc 2.36 declares pidfd_open and pidfd_send_signal without C linkage.
#ifndef CRISP_BASE_CORE_PIDFD_H_
#define CRISP_BASE_CORE_PIDFD_H_

extern "C" {
#include <sys/pidfd.h>
}

#endif  // CRISP_BASE_CORE_PIDFD_H_
