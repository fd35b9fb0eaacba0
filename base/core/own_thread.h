// RunOnOwnThread: work on a thread that ends with it.
//
// What:    for what belongs to a thread and must not stay: namespaces (unshare, setns), a working
//          directory of its own.
// Threads: any; the caller waits.
// Errors:  kResourceExhausted when no thread can be had (nothing was run), else the work's own.
#ifndef CRISP_BASE_CORE_OWN_THREAD_H_
#define CRISP_BASE_CORE_OWN_THREAD_H_

#include <functional>

#include "base/core/result.h"

namespace crisp {

Status RunOnOwnThread(const std::function<Status()>& work);

}  // namespace crisp

#endif  // CRISP_BASE_CORE_OWN_THREAD_H_
