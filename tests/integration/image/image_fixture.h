// ImageFixture: an image service on a directory of its own, images made by hand, and counts of what
// is on disk and in the database.
//
// Needs root (owners, trusted attributes, mounts): without, its tests are skipped.
#ifndef CRISP_TESTS_INTEGRATION_IMAGE_IMAGE_FIXTURE_H_
#define CRISP_TESTS_INTEGRATION_IMAGE_IMAGE_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "fake_registry.h"
#include "image/image_service.h"
#include "image/json_text.h"
#include "image/platform.h"
#include "tar_builder.h"

namespace crisp::image {

// A layer as it lies in a registry.
struct MadeLayer {
  std::string archive;  // plain tar
  std::string blob;
  std::string media_type;
  Json annotations = nullptr;  // of its descriptor
};
MadeLayer GzipLayer(const std::string& archive);
MadeLayer ZstdLayer(const std::string& archive);
MadeLayer PlainLayer(const std::string& archive);

struct MadeImage {
  std::string config;
  std::string manifest;
  std::vector<MadeLayer> layers;
  std::string id() const { return Sha256(config); }
  std::string digest() const { return Sha256(manifest); }
};
MadeImage MakeImage(std::vector<MadeLayer> layers, Json runtime_config = Json::object());
// Re-made after a test has changed the manifest's JSON.
Json DescriptorOf(const std::string& bytes, const std::string& media_type);

inline constexpr char kManifestType[] = "application/vnd.oci.image.manifest.v1+json";
inline constexpr char kIndexType[] = "application/vnd.oci.image.index.v1+json";

// What a pull must not leave behind.
struct StoreCounts {
  size_t layers = 0;
  size_t tmp = 0;
  size_t images = 0;
  size_t rows = 0;
  bool operator==(const StoreCounts&) const = default;
};
std::ostream& operator<<(std::ostream& out, const StoreCounts& counts);

class ImageFixture : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  void OpenService();
  ImageService& service() { return *service_; }
  Options options_;  // changed before OpenService()

  Result<std::string> Pull(const std::string& reference, const RegistryAuth& auth = {},
                           const CancelToken& cancel = {});
  // Blobs and manifest, under `tag`.
  void Put(FakeRegistry& registry, const MadeImage& image, const std::string& tag = "v1");
  // The file in the image's root file system, as a container would see it; "(none)" when absent.
  std::string FileInImage(const std::string& image_id, const std::string& path);
  StoreCounts Counts();
  // Counts once background deletion has caught up with `expected`.
  StoreCounts SettledCounts(const StoreCounts& expected);
  // An OCI layout directory with the image under `ref_name`.
  std::string MakeLayout(const MadeImage& image, const std::string& ref_name);

  TempDir dir_;
  Telemetry telemetry_;
  std::unique_ptr<ImageService> service_;
};

MirrorOptions MirrorAt(const std::string& location);
// Skips the test (by returning false) when a program is missing.
bool HasProgram(const std::string& name);
// Runs to its end; false and a test failure when it fails.
bool RunProgram(const std::vector<std::string>& argv);

}  // namespace crisp::image

#endif  // CRISP_TESTS_INTEGRATION_IMAGE_IMAGE_FIXTURE_H_
