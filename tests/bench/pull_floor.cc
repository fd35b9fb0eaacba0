// pull_floor FILE BLOB...: what no pull of these compressed layers can do without, and nothing
// else: each blob is read and hashed, decompressed (igzip, zstd), its plain bytes hashed and
// written to FILE. Prints the plain MiB, the CPU time in seconds (all threads, user and system) and
// the time that it took. For run-pull.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <thread>
#include <vector>

#include "base/core/clock.h"
#include "base/core/file.h"
#include "image/pull/buffer_ring.h"
#include "image/pull/decompress.h"
#include "image/pull/hasher.h"

namespace crisp::image {
namespace {

constexpr size_t kBuffer_bytes = 256 << 10;

// The blob's bytes, hashed as they come.
class BlobStream : public ByteStream {
 public:
  explicit BlobStream(UniqueFd fd) : fd_(std::move(fd)), buffer_(kBuffer_bytes) {}
  Result<Bytes> Next() override {
    const ssize_t n = ::read(fd_.get(), buffer_.data(), buffer_.size());
    if (n < 0) return Errno("read");
    const Bytes out(buffer_.data(), static_cast<size_t>(n));
    hasher_.Update(out);
    return out;
  }

 private:
  UniqueFd fd_;
  std::vector<uint8_t> buffer_;
  Hasher hasher_;
};

Result<int64_t> Unpack(const std::string& blob, int target) {
  BlobStream in(CRISP_TRY(OpenFile(blob, O_RDONLY)));
  Hasher hasher;
  BufferRing plain(12, kBuffer_bytes, [&](Bytes bytes) { hasher.Update(bytes); });
  std::thread decompressor([&] { plain.Finish(Decompress(in, plain)); });
  int64_t size = 0;
  const auto write = [&]() -> Status {
    for (;;) {
      const Bytes bytes = CRISP_TRY(plain.Next());
      if (bytes.empty()) return OkStatus();
      size += static_cast<int64_t>(bytes.size());
      CRISP_RETURN_IF_ERROR(
          WriteAll(target, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
    }
  };
  Status status = write();
  if (!status.ok()) plain.Abort();
  decompressor.join();
  CRISP_RETURN_IF_ERROR(std::move(status).Wrap(blob));
  (void)CRISP_TRY(hasher.Finish());
  return size;
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

Status Main(const std::vector<std::string>& arguments) {
  const MonoTime start = MonoNow();
  const UniqueFd target = CRISP_TRY(OpenFile(arguments.at(0), O_WRONLY | O_CREAT | O_TRUNC, 0600));
  int64_t size = 0;
  for (size_t i = 1; i < arguments.size(); ++i) {
    size += CRISP_TRY(Unpack(arguments[i], target.get()));
  }
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  std::printf("%.1f %.3f %.3f\n", static_cast<double>(size) / (1 << 20),
              Seconds(used.ru_utime) + Seconds(used.ru_stime),
              std::chrono::duration<double>(MonoNow() - start).count());
  return OkStatus();
}

}  // namespace
}  // namespace crisp::image

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: pull_floor FILE BLOB...\n", stderr);
    return 2;
  }
  const crisp::Status status = crisp::image::Main({argv + 1, argv + argc});
  if (!status.ok()) std::fprintf(stderr, "pull_floor: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
