// From Config to the Options of the rooms: what is only translation, apart from the wiring.
#ifndef CRISP_SERVER_ROOM_OPTIONS_H_
#define CRISP_SERVER_ROOM_OPTIONS_H_

#include <string>

#include "image/image_service.h"
#include "network/network.h"
#include "pod/pod_service.h"
#include "server/config/config.h"
#include "server/oci_options.h"
#include "server/streaming/streaming_server.h"

namespace crisp {

image::Reloadable ToReloadable(const config::Config& config);
image::Options ToImageOptions(const config::Config& config);
network::Options ToNetworkOptions(const config::Config& config);
pod::Options ToPodOptions(const config::Config& config);
streaming::Options ToStreamingOptions(const config::Config& config);

// Cgroups of this daemon's own processes. Two daemons on one machine must not empty each other's:
// a state directory other than the usual one becomes part of the name.
std::string OwnCgroup(const config::Config& config, const std::string& purpose);

}  // namespace crisp

#endif  // CRISP_SERVER_ROOM_OPTIONS_H_
