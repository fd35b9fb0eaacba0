// image_victim ROOT CRISP_PULL pull|remove REFERENCE: one operation of an image service, as the
// daemon does it, to its end. For kill_before_call.
#include <cstdio>
#include <string>

#include "image/image_service.h"

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  crisp::Telemetry telemetry;
  crisp::image::Options options;
  options.root = argv[1];
  options.pull_binary = argv[2];
  options.telemetry = &telemetry;
  auto service = crisp::image::ImageService::Open(options);
  crisp::Status status = service.status();
  if (status.ok()) {
    (*service)->CollectGarbage();
    crisp::image::PullRequest request;
    request.reference = argv[4];
    status = std::string(argv[3]) == "pull" ? (*service)->Pull(request).status()
                                            : (*service)->Remove(argv[4]);
  }
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
