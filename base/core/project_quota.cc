#include "base/core/project_quota.h"

#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/core/keyed_line.h"

namespace crisp {
namespace {

constexpr uint64_t kBlock_bytes = QIF_DQBLKSIZE;
// linux/magic.h; that of ext4 is ext2's and ext3's too.
constexpr long kExt4 = 0xef53;
constexpr long kXfs = 0x58465342;

// A filter that refuses the call (EPERM) is as good as a kernel without it.
bool HasQuotactlFd() {
  return ::syscall(SYS_quotactl_fd, -1, QCMD(Q_SYNC, PRJQUOTA), 0, nullptr) < 0 && errno == EBADF;
}

ProjectUsage ToUsage(const if_dqblk& block) {
  ProjectUsage out;
  out.bytes = block.dqb_curspace;
  out.inodes = block.dqb_curinodes;
  out.limit.bytes = block.dqb_bhardlimit * kBlock_bytes;
  out.limit.inodes = block.dqb_ihardlimit;
  return out;
}

std::string HowToGetOne(const std::string& file_system) {
  if (file_system == "ext4") {
    return "it takes the features project and quota (tune2fs -O project,quota -Q prjquota while it "
           "is not mounted), the mount option prjquota and a kernel with CONFIG_QFMT_V2";
  }
  return "it takes the mount option prjquota (for the root file system rootflags=prjquota on the "
         "kernel's command line) and a kernel with CONFIG_XFS_QUOTA";
}

// "/dev/vda": what sysfs(5) calls the device of this file system.
Result<std::string> DeviceOf(const DirFd& directory) {
  struct stat info {};
  if (::fstat(directory.get(), &info) != 0) return Errno("stat");
  const std::string text = CRISP_TRY(
      ReadFile(Cat("/sys/dev/block/", ::major(info.st_dev), ':', ::minor(info.st_dev), "/uevent")));
  const auto name = KeyedLine(text, "DEVNAME=");
  if (!name) return NotFound("its device has no name");
  return Cat("/dev/", *name);
}

// Not O_PATH: the ioctls want an open file.
Result<UniqueFd> OpenForIoctl(const std::string& path) {
  return OpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

}  // namespace

Result<ProjectQuota> ProjectQuota::Open(const std::string& directory,
                                        std::optional<Access> access) {
  ProjectQuota out(CRISP_TRY(DirFd::Open(directory)));
  CRISP_RETURN_IF_ERROR(out.Detect(access).Wrap("project quota of ", directory));
  return out;
}

long ProjectQuota::Call(int command, uint32_t id, void* data) const {
  const unsigned int both = QCMD(static_cast<unsigned int>(command), PRJQUOTA);
  return device_.empty() ? ::syscall(SYS_quotactl_fd, directory_.get(), both, id, data)
                         : ::syscall(SYS_quotactl, both, device_.c_str(), id, data);
}

Result<std::optional<ProjectQuota>> ProjectQuota::OpenFor(const ProjectLimit& limit,
                                                          const std::string& directory,
                                                          Status* why_not) {
  auto quota = Open(directory);
  if (quota.ok() && (limit.none() || quota->enforces())) {
    return std::optional<ProjectQuota>(std::move(quota).value());
  }
  if (quota.ok()) {
    return FailedPrecondition("no limit is possible: the file system of ", directory,
                              " counts, but is mounted without the option prjquota; mount it with "
                              "that, or configure no limit");
  }
  if (!limit.none()) {
    if (quota.status().code() != Code::kUnimplemented) return quota.status();
    return FailedPrecondition("no limit is possible: ", quota.status().message(),
                              "; or configure no limit");
  }
  *why_not = quota.status();
  return std::optional<ProjectQuota>();
}

// The kernel answers Q_XGETQSTATV for ext4 too (fs/quota/quota.c).
Status ProjectQuota::Detect(std::optional<Access> access) {
  struct statfs info {};
  if (::fstatfs(directory_.get(), &info) != 0) return Errno("statfs");
  file_system_ = info.f_type == kExt4 ? "ext4" : info.f_type == kXfs ? "xfs" : "";
  if (file_system_.empty()) {
    return Unimplemented("the file system is neither ext4 nor xfs, which have such quotas");
  }
  if (!access) access = HasQuotactlFd() ? Access::kByDescriptor : Access::kByDevice;
  if (*access == Access::kByDevice) device_ = CRISP_TRY(DeviceOf(directory_));
  fs_quota_statv state{};
  state.qs_version = FS_QSTATV_VERSION1;
  if (Call(Q_XGETQSTATV, 0, &state) != 0 && errno != ENOSYS && errno != ESRCH && errno != EINVAL) {
    return Errno("quotactl");
  }
  if ((state.qs_flags & FS_QUOTA_PDQ_ACCT) == 0) {
    return Unimplemented(file_system_, " has none here: ", HowToGetOne(file_system_));
  }
  enforces_ = (state.qs_flags & FS_QUOTA_PDQ_ENFD) != 0;
  return OkStatus();
}

Result<ProjectUsage> ProjectQuota::Get(uint32_t id) const {
  if_dqblk block{};
  if (Call(Q_GETQUOTA, id, &block) == 0) return ToUsage(block);
  if (errno != ENOENT) return Errno("quota of project ", id);
  return ProjectUsage();  // xfs knows nothing of an id that was never used
}

Status ProjectQuota::SetLimit(uint32_t id, const ProjectLimit& limit) const {
  if_dqblk block{};
  block.dqb_bhardlimit = (limit.bytes + kBlock_bytes - 1) / kBlock_bytes;
  block.dqb_bsoftlimit = block.dqb_bhardlimit;
  block.dqb_ihardlimit = limit.inodes;
  block.dqb_isoftlimit = limit.inodes;
  block.dqb_valid = QIF_LIMITS;
  if (Call(Q_SETQUOTA, id, &block) == 0) return OkStatus();
  // xfs makes nothing of an id only to take its limit away.
  if (errno == ENOENT && limit.none()) return OkStatus();
  return Errno("limit of project ", id);
}

Result<uint32_t> ProjectIdOf(const std::string& path) {
  const UniqueFd fd = CRISP_TRY(OpenForIoctl(path));
  fsxattr attributes{};
  if (::ioctl(fd.get(), FS_IOC_FSGETXATTR, &attributes) != 0) {
    if (errno == ENOTTY || errno == EOPNOTSUPP) return 0u;
    return Errno("project id of ", path);
  }
  return attributes.fsx_projid;
}

Status SetProjectId(const std::string& path, uint32_t id) {
  const UniqueFd fd = CRISP_TRY(OpenForIoctl(path));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return Errno("stat ", path);
  fsxattr attributes{};
  if (::ioctl(fd.get(), FS_IOC_FSGETXATTR, &attributes) != 0) {
    return Errno("attributes of ", path);
  }
  attributes.fsx_projid = id;
  if (id != 0 && S_ISDIR(info.st_mode)) {
    attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
  } else {
    attributes.fsx_xflags &= ~static_cast<uint32_t>(FS_XFLAG_PROJINHERIT);
  }
  if (::ioctl(fd.get(), FS_IOC_FSSETXATTR, &attributes) != 0) {
    return Errno("set project id ", id, " of ", path);
  }
  return OkStatus();
}

}  // namespace crisp
