#include "tests/fault/hung_filesystem.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "base/core/dir_fd.h"
#include "base/core/file.h"

namespace crisp::test {
namespace {

constexpr size_t kRequest_bytes = 128 << 10;
constexpr uint32_t kMinor = 31;  // what the structures below are of; the kernel speaks older ones

}  // namespace

HungFilesystem::HungFilesystem(UniqueFd device, UniqueFd stop)
    : device_(std::move(device)), stop_(std::move(stop)) {}

Result<std::unique_ptr<HungFilesystem>> HungFilesystem::Mount(const std::string& path) {
  CRISP_RETURN_IF_ERROR(EnsureDirectory(path));
  UniqueFd device = CRISP_TRY(OpenFile("/dev/fuse", O_RDWR | O_NONBLOCK, 0));
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop) return Errno("eventfd");
  CRISP_RETURN_IF_ERROR(
      crisp::Mount("hung", path, "fuse", MS_NOSUID | MS_NODEV,
                   Cat("fd=", device.get(), ",rootmode=40755,user_id=0,group_id=0,allow_other")));
  std::unique_ptr<HungFilesystem> out(new HungFilesystem(std::move(device), std::move(stop)));
  out->mount_ = ScopedMount(path);
  out->thread_ = std::thread([self = out.get()] { self->Serve(); });
  return out;
}

HungFilesystem::~HungFilesystem() { Abort(); }

void HungFilesystem::Abort() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof(one));
  thread_.join();
  device_.Reset();
}

void HungFilesystem::Answer(uint64_t request, int error, const void* body, size_t size) {
  fuse_out_header header{};
  header.len = static_cast<uint32_t>(sizeof(header) + size);
  header.error = -error;
  header.unique = request;
  const iovec parts[] = {{&header, sizeof(header)}, {const_cast<void*>(body), size}};
  (void)!::writev(device_.get(), parts, size == 0 ? 1 : 2);
}

void HungFilesystem::Serve() {
  std::vector<char> buffer(kRequest_bytes);
  for (;;) {
    pollfd wait[] = {{device_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (::poll(wait, 2, -1) < 0 || wait[1].revents != 0) return;
    const ssize_t n = ::read(device_.get(), buffer.data(), buffer.size());
    if (n < static_cast<ssize_t>(sizeof(fuse_in_header))) continue;
    fuse_in_header header;
    std::memcpy(&header, buffer.data(), sizeof(header));
    if (header.opcode == FUSE_INIT) {
      fuse_init_out init{};
      init.major = FUSE_KERNEL_VERSION;
      init.minor = kMinor;
      init.max_write = 4096;
      Answer(header.unique, 0, &init, sizeof(init));
    } else if (header.opcode == FUSE_GETATTR) {
      fuse_attr_out attributes{};
      attributes.attr_valid = 3600;
      attributes.attr.ino = FUSE_ROOT_ID;
      attributes.attr.mode = S_IFDIR | 0755;
      attributes.attr.nlink = 2;
      Answer(header.unique, 0, &attributes, sizeof(attributes));
    } else if (header.opcode == FUSE_LOOKUP) {
      ++sleepers_;
    } else if (header.opcode != FUSE_FORGET && header.opcode != FUSE_BATCH_FORGET &&
               header.opcode != FUSE_INTERRUPT) {
      Answer(header.unique, ENOSYS, nullptr, 0);
    }
  }
}

}  // namespace crisp::test
