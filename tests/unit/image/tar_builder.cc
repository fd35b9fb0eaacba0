#include "tar_builder.h"

#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/core/dir_fd.h"
#include "image/pull/hasher.h"

namespace crisp::image {
namespace {

void PutText(std::string* block, size_t offset, size_t size, const std::string& text) {
  block->replace(offset, std::min(size, text.size()), text.substr(0, size));
}

void PutNumber(std::string* block, size_t offset, size_t size, int64_t value) {
  if (value >= 0 && value < (int64_t{1} << (3 * (size - 1)))) {
    char text[32];
    std::snprintf(text, sizeof(text), "%0*llo", static_cast<int>(size - 1),
                  static_cast<unsigned long long>(value));
    PutText(block, offset, size, text);
    return;
  }
  for (size_t i = 0; i < size; ++i) {  // base-256
    (*block)[offset + size - 1 - i] =
        static_cast<char>(i < 8 ? value >> (8 * i) : (value < 0 ? -1 : 0));
  }
  (*block)[offset] = static_cast<char>(static_cast<unsigned char>((*block)[offset]) | 0x80);
}

std::string Padded(std::string data) {
  data.resize((data.size() + 511) / 512 * 512, '\0');
  return data;
}

}  // namespace

std::string TarBuilder::Header(const TarItem& item) {
  std::string block(512, '\0');
  PutText(&block, 0, 100, item.path);
  PutNumber(&block, 100, 8, item.mode);
  PutNumber(&block, 108, 8, item.uid);
  PutNumber(&block, 116, 8, item.gid);
  const auto size = static_cast<int64_t>(item.data.size());
  PutNumber(&block, 124, 12, item.claimed_size >= 0 ? item.claimed_size : size);
  PutNumber(&block, 136, 12, item.mtime);
  PutText(&block, 148, 8, "        ");
  block[156] = item.type;
  PutText(&block, 157, 100, item.link);
  block.replace(257, 8,
                std::string("ustar\0"
                            "00",
                            8));
  PutNumber(&block, 329, 8, item.major);
  PutNumber(&block, 337, 8, item.minor);
  unsigned sum = 0;
  for (unsigned char c : block) sum += c;
  char text[8];
  std::snprintf(text, sizeof(text), "%06o", sum);
  block.replace(148, 7, std::string(text, 7));
  return block;
}

TarBuilder& TarBuilder::Add(const TarItem& item) {
  if (item.path.size() > 100 || item.link.size() > 100) {
    std::vector<std::pair<std::string, std::string>> records;
    if (item.path.size() > 100) records.emplace_back("path", item.path);
    if (item.link.size() > 100) records.emplace_back("linkpath", item.link);
    Pax(records);
  }
  out_ += Header(item) + Padded(item.data);
  return *this;
}

TarBuilder& TarBuilder::File(const std::string& path, const std::string& data, int mode) {
  TarItem item;
  item.path = path;
  item.data = data;
  item.mode = mode;
  return Add(item);
}

TarBuilder& TarBuilder::Dir(const std::string& path, int mode) {
  TarItem item;
  item.path = path;
  item.type = '5';
  item.mode = mode;
  return Add(item);
}

TarBuilder& TarBuilder::Symlink(const std::string& path, const std::string& target) {
  TarItem item;
  item.path = path;
  item.type = '2';
  item.link = target;
  item.mode = 0777;
  return Add(item);
}

TarBuilder& TarBuilder::HardLink(const std::string& path, const std::string& target) {
  TarItem item;
  item.path = path;
  item.type = '1';
  item.link = target;
  return Add(item);
}

TarBuilder& TarBuilder::Pax(const std::vector<std::pair<std::string, std::string>>& records) {
  TarItem item;
  item.path = "PaxHeaders/x";
  item.type = 'x';
  for (const auto& [key, value] : records) {
    const std::string body = " " + key + "=" + value + "\n";
    size_t length = body.size() + 1;
    while (std::to_string(length).size() + body.size() != length) ++length;
    item.data += std::to_string(length) + body;
  }
  out_ += Header(item) + Padded(item.data);
  return *this;
}

TarBuilder& TarBuilder::Raw(const std::string& bytes) {
  out_ += bytes;
  return *this;
}

std::string TarBuilder::Build() const { return out_ + std::string(1024, '\0'); }

Result<Bytes> TextStream::Next() {
  const size_t n = std::min(piece_, text_.size() - at_);
  const Bytes out(reinterpret_cast<const uint8_t*>(text_.data()) + at_, n);
  at_ += n;
  return out;
}

std::string Gzip(const std::string& text) {
  std::string out(text.size() + text.size() / 8 + 4096, '\0');
  auto stream = std::make_unique<isal_zstream>();
  isal_deflate_init(stream.get());
  stream->gzip_flag = IGZIP_GZIP;
  stream->end_of_stream = 1;
  stream->next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  stream->avail_in = static_cast<uint32_t>(text.size());
  stream->next_out = reinterpret_cast<uint8_t*>(out.data());
  stream->avail_out = static_cast<uint32_t>(out.size());
  isal_deflate(stream.get());
  out.resize(stream->total_out);
  return out;
}

std::string Zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

std::string Sha256(const std::string& text) { return DigestOf(text)->ToString(); }

TempDir::TempDir() {
  const char* base = ::getenv("TMPDIR");
  path_ = std::string(base != nullptr ? base : "/tmp") + "/crisp-image-XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) std::abort();
}

TempDir::~TempDir() { (void)RemoveTreeAt(path_); }

}  // namespace crisp::image
