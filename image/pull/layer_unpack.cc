#include "image/pull/layer_unpack.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

#include "base/core/clock.h"
#include "base/core/file.h"
#include "image/pull/buffer_ring.h"
#include "image/pull/decompress.h"
#include "image/pull/hasher.h"
#include "image/pull/tar_reader.h"
#include "image/pull/tree_record.h"

namespace crisp::image {
namespace {

// 2 MiB and 3 MiB per layer: enough to keep both sides busy, and small against the 64 MiB that a
// pull may use.
constexpr size_t kCompressedBuffers = 8;
constexpr size_t kPlainBuffers = 12;
constexpr size_t kBufferBytes = 256 << 10;
constexpr int64_t kDiskBlock = 4096;  // as LayerWriter counts

Status VerifyBlob(const LayerTask& task, int64_t received, Hasher& hasher) {
  if (task.blob_bytes >= 0 && received != task.blob_bytes) {
    return DataLoss("the blob has ", received, " bytes; its descriptor says ", task.blob_bytes);
  }
  if (!task.blob_digest) return OkStatus();
  const Digest actual = CRISP_TRY(hasher.Finish());
  if (actual == *task.blob_digest) return OkStatus();
  return DataLoss("digest mismatch: expected ", task.blob_digest->ToString(), ", got ",
                  actual.ToString());
}

Status Receive(const LayerTask& task, const StopFlag& stop, BufferRing& out, int64_t* received) {
  const std::string algorithm = task.blob_digest ? task.blob_digest->algorithm() : "sha256";
  Hasher hasher(algorithm);
  std::optional<LayerDecryptor> decryptor;
  if (task.cipher != nullptr) decryptor.emplace(CRISP_TRY(LayerDecryptor::Create(*task.cipher)));
  const ByteSink write = [&](Bytes bytes) {
    const MonoTime start = MonoNow();
    Status written = out.Write(bytes);
    if (task.flow != nullptr) {
      task.flow->held_us +=
          std::chrono::duration_cast<std::chrono::microseconds>(MonoNow() - start).count();
    }
    return written;
  };
  int64_t& total = *received;
  const ByteSink sink = [&](Bytes bytes) -> Status {
    total += static_cast<int64_t>(bytes.size());
    if (task.flow != nullptr) task.flow->received_bytes = total;
    if (task.blob_bytes >= 0 && total > task.blob_bytes) {
      return DataLoss("the blob is larger than the ", task.blob_bytes,
                      " bytes that its descriptor says");
    }
    if (task.blob_digest) hasher.Update(bytes);
    return decryptor ? decryptor->Feed(bytes, write) : write(bytes);
  };
  CRISP_RETURN_IF_ERROR(task.producer(sink, stop));
  CRISP_RETURN_IF_ERROR(VerifyBlob(task, total, hasher));
  return decryptor ? decryptor->Finish() : OkStatus();
}

// What this machine lacks, whatever the archive says.
bool IsLocal(const Status& status) {
  constexpr std::array kErrors = {ENOSPC, EDQUOT, EROFS, EIO, EMFILE, ENFILE, ENOMEM};
  return std::find(kErrors.begin(), kErrors.end(), status.sys_errno()) != kErrors.end();
}

// Changed ciphertext looks like a bad archive long before its HMAC is known, and who changed it
// must not learn from how soon or with which words that fails what it decrypts to: then the rest is
// read, though not inflated, and the HMAC's verdict goes first.
bool MayBeForged(const LayerTask& task, const Status& status) {
  return task.cipher != nullptr && status.code() != Code::kCancelled && !IsLocal(status);
}

Status Drain(ByteStream& stream) {
  while (!CRISP_TRY(stream.Next()).empty()) {
  }
  return OkStatus();
}

Status VerifyDiffId(const LayerTask& task, Hasher& hasher) {
  const Digest actual = CRISP_TRY(hasher.Finish());
  if (actual == task.diff_id) return OkStatus();
  return DataLoss("diff id mismatch: expected ", task.diff_id.ToString(), ", got ",
                  actual.ToString());
}

Result<LayerSummary> WriteLayer(const LayerTask& task, ByteStream& plain, ContentSums* sums) {
  TarLimits limits;
  limits.max_total_bytes = task.max_bytes;
  TarReader reader(plain, limits);
  LayerTree tree = CRISP_TRY(LayerTree::Create(task.directory, task.parents));
  LayerWriter writer(tree);
  for (;;) {
    const std::optional<TarEntry> entry = CRISP_TRY(reader.Next());
    if (!entry) break;
    CRISP_RETURN_IF_ERROR(writer.Apply(*entry, reader));
  }
  // What stands behind the end of the archive is part of the diff id.
  for (int64_t behind = 0;;) {
    const Bytes bytes = CRISP_TRY(plain.Next());
    if (bytes.empty()) break;
    behind += static_cast<int64_t>(bytes.size());
    if (behind > task.max_bytes) {
      return ResourceExhausted("more than ", task.max_bytes, " bytes stand behind the archive");
    }
  }
  LayerSummary summary = CRISP_TRY(writer.Finish());
  *sums = writer.TakeSums();
  return summary;
}

Result<LayerSummary> WriteFileLayer(const LayerTask& task, ByteStream& content, ContentSums* sums) {
  const std::string root = task.directory + "/fs";
  CRISP_RETURN_IF_ERROR(EnsureDirectory(root));
  const std::string path = JoinPath(root, task.file_name);
  CRISP_RETURN_IF_ERROR(EnsureDirectory(path.substr(0, path.rfind('/'))));
  const UniqueFd file = CRISP_TRY(OpenFile(path, O_WRONLY | O_CREAT | O_EXCL, 0644));
  LayerSummary out;
  int64_t size = 0;
  uint64_t sum = 0;
  for (;;) {
    const Bytes bytes = CRISP_TRY(content.Next());
    if (bytes.empty()) break;
    sum = AddToSum(sum, bytes);
    size += static_cast<int64_t>(bytes.size());
    if (size > task.max_bytes) {
      return ResourceExhausted("the file is larger than ", task.max_bytes, " bytes");
    }
    CRISP_RETURN_IF_ERROR(WriteAll(
        file.get(), std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size())));
  }
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return Errno("stat");
  sums->Put(info.st_ino, sum);
  sums->Seal();
  out.inodes = 2 + std::count(task.file_name.begin(), task.file_name.end(), '/');
  out.size_bytes =
      (size + kDiskBlock - 1) / kDiskBlock * kDiskBlock + (out.inodes - 1) * kDiskBlock;
  return out;
}

Result<LayerSummary> Record(const LayerTask& task, LayerSummary summary, const ContentSums& sums,
                            int64_t received) {
  CRISP_RETURN_IF_ERROR(
      WriteTreeRecord(task.directory + "/fs", task.directory + "/record", sums).Wrap("record"));
  summary.received_bytes = received;
  return summary;
}

Result<LayerSummary> UnpackFile(const LayerTask& task) {
  BufferRing ring(kCompressedBuffers, kBufferBytes);
  StopFlag stop(task.stop);
  int64_t received = 0;
  std::thread receiver([&] { ring.Finish(Receive(task, stop, ring, &received)); });
  ContentSums sums;
  Result<LayerSummary> result = WriteFileLayer(task, ring, &sums);
  if (!result.ok()) {
    stop.Set();
    ring.Abort();
  }
  receiver.join();
  if (!result.ok()) return result;
  return Record(task, *result, sums, received);
}

Result<LayerSummary> UnpackArchive(const LayerTask& task) {
  BufferRing compressed(kCompressedBuffers, kBufferBytes);
  // In the decompressor's thread: writing files is the longer half of the work.
  Hasher diff_hasher;
  BufferRing plain(kPlainBuffers, kBufferBytes, [&](Bytes bytes) { diff_hasher.Update(bytes); });
  StopFlag stop(task.stop);
  int64_t received = 0;
  Status verdict;  // of the rest of an encrypted layer that is no archive
  std::thread receiver([&] { compressed.Finish(Receive(task, stop, compressed, &received)); });
  std::thread decompressor([&] {
    Status status = Decompress(compressed, plain);
    if (!status.ok() && task.cipher != nullptr && !stop.IsSet()) verdict = Drain(compressed);
    if (!status.ok()) {
      stop.Set();
      compressed.Abort();
    }
    plain.Finish(std::move(status));
  });
  ContentSums sums;
  Result<LayerSummary> result = WriteLayer(task, plain, &sums);
  const bool may_be_forged = !result.ok() && MayBeForged(task, result.status());
  if (!result.ok() && !may_be_forged) {
    stop.Set();
    compressed.Abort();
  }
  if (!result.ok()) plain.Abort();
  decompressor.join();
  receiver.join();
  if (may_be_forged && !verdict.ok()) return verdict;
  if (!result.ok() && task.cipher != nullptr && IsLocal(result.status())) {
    return ErrnoStatus(result.status().sys_errno(), "unpack what is decrypted");  // no names of it
  }
  if (!result.ok()) return result;
  CRISP_RETURN_IF_ERROR(VerifyDiffId(task, diff_hasher));
  return Record(task, *result, sums, received);
}

}  // namespace

Result<LayerSummary> UnpackLayer(const LayerTask& task) {
  return task.file_name.empty() ? UnpackArchive(task) : UnpackFile(task);
}

}  // namespace crisp::image
