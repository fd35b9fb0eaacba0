// ImageFsInfo (cri-contract section 12.6): from the store's cached numbers.
#include "server/rpc/backend.h"

namespace crisp::rpc {

Status AnswerImageFsInfo(const Backend& backend, v1::ImageFsInfoResponse* response) {
  const image::FsInfo info = backend.images->GetFsInfo();
  v1::FilesystemUsage* usage = response->add_image_filesystems();
  usage->set_timestamp(info.timestamp_ns);
  usage->mutable_fs_id()->set_mountpoint(info.mountpoint);
  usage->mutable_used_bytes()->set_value(info.used_bytes);
  usage->mutable_inodes_used()->set_value(info.inodes_used);
  return OkStatus();
}

}  // namespace crisp::rpc
