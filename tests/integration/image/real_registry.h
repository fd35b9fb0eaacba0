// RealRegistry: a docker-registry of the test's own on loopback, filled by skopeo.
//
// Needs docker-registry, skopeo and openssl: without, its tests are skipped.
#ifndef CRISP_TESTS_INTEGRATION_IMAGE_REAL_REGISTRY_H_
#define CRISP_TESTS_INTEGRATION_IMAGE_REAL_REGISTRY_H_

#include <string>
#include <vector>

#include "base/core/child_process.h"
#include "image_fixture.h"

namespace crisp::image {

class RealRegistry : public ImageFixture {
 protected:
  void SetUp() override;
  // `tls`: more members of the configuration's "http".
  void StartRegistry(const std::string& tls = {});
  // By skopeo; `options` stand before the names.
  bool Push(const MadeImage& image, const std::string& name,
            const std::vector<std::string>& options = {"--preserve-digests"});
  bool PushLayout(const std::string& layout, const std::string& name,
                  const std::vector<std::string>& options);
  // The files d/a, d/b and d/c, in layers of three kinds.
  static MadeImage ThreeLayers();

  ChildProcess registry_;
  std::string host_;

 private:
  bool Answers() const;
};

}  // namespace crisp::image

#endif  // CRISP_TESTS_INTEGRATION_IMAGE_REAL_REGISTRY_H_
