// The CRI's Image message, made in one place, so that every lookup of an image gives the same
// message (cri-contract section 12.2: compared field by field).
#ifndef CRISP_SERVER_RPC_IMAGE_MESSAGE_H_
#define CRISP_SERVER_RPC_IMAGE_MESSAGE_H_

#include "cri-api/api.pb.h"
#include "image/image_service.h"

namespace crisp::rpc {

void FillImage(const image::Image& image, ::runtime::v1::Image* message);
// A JSON object: chain id and the image's configuration under the names of image-spec config.md.
std::string ImageInfoJson(const image::Image& image);

}  // namespace crisp::rpc

#endif  // CRISP_SERVER_RPC_IMAGE_MESSAGE_H_
