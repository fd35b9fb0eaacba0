#include "image_fixture.h"

#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <thread>

#include "base/core/child_process.h"
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/core/mount.h"
#include "base/database.h"

namespace crisp::image {
namespace {

namespace fs = std::filesystem;

size_t Entries(const std::string& dir) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(dir), {}));
}

}  // namespace

MadeLayer GzipLayer(const std::string& archive) {
  return {archive, Gzip(archive), "application/vnd.oci.image.layer.v1.tar+gzip"};
}
MadeLayer ZstdLayer(const std::string& archive) {
  return {archive, Zstd(archive), "application/vnd.oci.image.layer.v1.tar+zstd"};
}
MadeLayer PlainLayer(const std::string& archive) {
  return {archive, archive, "application/vnd.oci.image.layer.v1.tar"};
}

Json DescriptorOf(const std::string& bytes, const std::string& media_type) {
  return {{"mediaType", media_type}, {"digest", Sha256(bytes)}, {"size", bytes.size()}};
}

MadeImage MakeImage(std::vector<MadeLayer> layers, Json runtime_config) {
  MadeImage out;
  Json diff_ids = Json::array();
  Json descriptors = Json::array();
  for (const MadeLayer& layer : layers) {
    diff_ids.push_back(Sha256(layer.archive));
    Json descriptor = DescriptorOf(layer.blob, layer.media_type);
    if (!layer.annotations.is_null()) descriptor["annotations"] = layer.annotations;
    descriptors.push_back(std::move(descriptor));
  }
  Platform host = HostPlatform();
  out.config = Json{{"os", host.os},
                    {"architecture", host.architecture},
                    {"config", std::move(runtime_config)},
                    {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}}
                   .dump();
  out.manifest = Json{
      {"schemaVersion", 2},
      {"mediaType", kManifestType},
      {"config", DescriptorOf(out.config, "application/vnd.oci.image.config.v1+json")},
      {"layers",
       descriptors}}.dump();
  out.layers = std::move(layers);
  return out;
}

std::ostream& operator<<(std::ostream& out, const StoreCounts& c) {
  return out << c.layers << " layers, " << c.tmp << " in tmp, " << c.images << " images, " << c.rows
             << " rows";
}

void ImageFixture::SetUp() {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to unpack and mount images";
  ::signal(SIGPIPE, SIG_IGN);
  options_.root = dir_ / "store";
  options_.pull_binary = CRISP_PULL_BINARY;
  options_.telemetry = &telemetry_;
  OpenService();
}

void ImageFixture::TearDown() { service_.reset(); }

void ImageFixture::OpenService() {
  service_.reset();
  auto service = ImageService::Open(options_);
  ASSERT_TRUE(service.ok()) << service.status().message();
  service_ = std::move(service).value();
  service_->CollectGarbage();
}

Result<std::string> ImageFixture::Pull(const std::string& reference, const RegistryAuth& auth,
                                       const CancelToken& cancel) {
  PullRequest request;
  request.reference = reference;
  request.auth = auth;
  request.cancel = cancel;
  return service_->Pull(request);
}

void ImageFixture::Put(FakeRegistry& registry, const MadeImage& image, const std::string& tag) {
  registry.AddBlob(image.config);
  for (const MadeLayer& layer : image.layers) registry.AddBlob(layer.blob);
  registry.AddManifest(tag, image.manifest, kManifestType);
}

std::string ImageFixture::FileInImage(const std::string& image_id, const std::string& path) {
  const auto lease = service_->Acquire(image_id);
  if (!lease.ok()) return lease.status().message();
  const std::string base = dir_ / "rootfs";
  for (const char* name : {"/upper", "/work", "/merged"}) {
    if (!EnsureDirectory(base + name).ok()) return "(no directory)";
  }
  const Status mounted =
      service_->MountRootfs(**lease, base + "/upper", base + "/work", base + "/merged", {});
  if (!mounted.ok()) return mounted.message();
  const auto text = ReadFile(base + "/merged/" + path);
  EXPECT_TRUE(WriteFile(base + "/merged/written", "by a container").ok());
  EXPECT_TRUE(EnsureUnmounted(base + "/merged").ok());
  EXPECT_TRUE(RemoveTreeAt(base).ok());
  return text.ok() ? *text : "(none)";
}

StoreCounts ImageFixture::Counts() {
  StoreCounts out;
  out.layers = Entries(dir_ / "store/layers") - 2;  // tmp and empty
  out.tmp = Entries(dir_ / "store/layers/tmp");
  out.images = Entries(dir_ / "store/images");
  constexpr std::array<std::string_view, 2> kKnownSchema = {"", ""};
  // The service has it locked: a copy is read, with the part that is still in the log.
  const std::string copy = dir_ / "counted.db";
  for (const char* suffix : {"", "-wal"}) {
    const auto bytes = ReadFile(Cat(dir_ / "store/images.db", suffix));
    EXPECT_TRUE(WriteFile(copy + suffix, bytes.ok() ? *bytes : "").ok());
  }
  auto db = Database::Open(copy, Durability::kFull, kKnownSchema);
  if (!db.ok()) return out;
  for (const char* table : {"images", "image_layers", "layers", "names"}) {
    EXPECT_TRUE((*db)
                    ->Execute(Cat("SELECT count(*) FROM ", table), {},
                              [&](const Database::Row& row) {
                                out.rows += static_cast<size_t>(row.Int(0));
                                return OkStatus();
                              })
                    .ok());
  }
  return out;
}

StoreCounts ImageFixture::SettledCounts(const StoreCounts& expected) {
  for (int i = 0; i < 100 && !(Counts() == expected); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return Counts();
}

std::string ImageFixture::MakeLayout(const MadeImage& image, const std::string& ref_name) {
  const std::string dir = dir_ / ("layout-" + std::to_string(Entries(dir_.path())));
  EXPECT_TRUE(EnsureDirectory(dir + "/blobs/sha256").ok());
  const auto put = [&](const std::string& bytes) {
    EXPECT_TRUE(WriteFile(dir + "/blobs/sha256/" + Sha256(bytes).substr(7), bytes).ok());
  };
  put(image.config);
  put(image.manifest);
  for (const MadeLayer& layer : image.layers) put(layer.blob);
  Json entry = DescriptorOf(image.manifest, kManifestType);
  if (!ref_name.empty()) entry["annotations"] = {{"org.opencontainers.image.ref.name", ref_name}};
  const Json index = {{"schemaVersion", 2}, {"manifests", Json::array({entry})}};
  EXPECT_TRUE(WriteFile(dir + "/index.json", index.dump()).ok());
  EXPECT_TRUE(WriteFile(dir + "/oci-layout", R"({"imageLayoutVersion":"1.0.0"})").ok());
  return dir;
}

MirrorOptions MirrorAt(const std::string& location) {
  MirrorOptions out;
  out.location = location;
  return out;
}

bool HasProgram(const std::string& name) {
  for (const char* dir : {"/usr/bin/", "/bin/", "/usr/local/bin/", "/usr/sbin/"}) {
    if (::access((dir + name).c_str(), X_OK) == 0) return true;
  }
  return false;
}

bool RunProgram(const std::vector<std::string>& argv) {
  RunOptions options;
  options.argv = argv;
  options.deadline = MonoNow() + std::chrono::seconds(50);
  const auto output = Run(options);
  if (output.ok() && output->status.success()) return true;
  ADD_FAILURE() << argv[0] << ": "
                << (output.ok() ? output->stderr_data : output.status().message());
  return false;
}

}  // namespace crisp::image
