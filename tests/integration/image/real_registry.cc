#include "real_registry.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <thread>

#include "base/core/file.h"

namespace crisp::image {
namespace {

int FreePort() {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

}  // namespace

void RealRegistry::SetUp() {
  ImageFixture::SetUp();
  if (IsSkipped()) return;
  for (const char* program : {"docker-registry", "skopeo", "openssl"}) {
    if (!HasProgram(program)) GTEST_SKIP() << "needs " << program;
  }
}

void RealRegistry::StartRegistry(const std::string& tls) {
  host_ = "127.0.0.1:" + std::to_string(FreePort());
  const std::string config =
      "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
      "storage: {filesystem: {rootdirectory: " +
      (dir_ / "registry") + "}}\nhttp: {addr: \"" + host_ + "\"" + tls + "}\n";
  ASSERT_TRUE(WriteFile(dir_ / "registry.yml", config).ok());
  SpawnOptions options;
  options.argv = {"docker-registry", "serve", dir_ / "registry.yml"};
  auto child = ChildProcess::Spawn(options);
  ASSERT_TRUE(child.ok()) << child.status().message();
  registry_ = std::move(child).value();
  for (int i = 0; i < 100 && !Answers(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ASSERT_TRUE(Answers());
}

bool RealRegistry::Answers() const {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(host_.substr(host_.find(':') + 1))));
  return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
}

bool RealRegistry::PushLayout(const std::string& layout, const std::string& name,
                              const std::vector<std::string>& options) {
  std::vector<std::string> argv = {"skopeo", "copy", "-q", "--dest-tls-verify=false"};
  argv.insert(argv.end(), options.begin(), options.end());
  argv.insert(argv.end(), {layout, "docker://" + host_ + "/" + name});
  return RunProgram(argv);
}

bool RealRegistry::Push(const MadeImage& image, const std::string& name,
                        const std::vector<std::string>& options) {
  return PushLayout("oci:" + MakeLayout(image, "x") + ":x", name, options);
}

MadeImage RealRegistry::ThreeLayers() {
  return MakeImage({GzipLayer(TarBuilder().Dir("d").File("d/a", "a").Build()),
                    ZstdLayer(TarBuilder().Dir("d").File("d/b", "b").Build()),
                    PlainLayer(TarBuilder().Dir("d").File("d/c", "c").Build())});
}

}  // namespace crisp::image
