#include "base/core/own_thread.h"

#include <system_error>
#include <thread>

namespace crisp {

Status RunOnOwnThread(const std::function<Status()>& work) {
  Status status;
  try {
    std::thread thread([&] { status = work(); });
    thread.join();
  } catch (const std::system_error& error) {
    return ResourceExhausted("start thread: ", error.what());
  }
  return status;
}

}  // namespace crisp
