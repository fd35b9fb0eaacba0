#include "image/pull/tar_writer.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "image/pull/tar_header.h"

namespace crisp::image {
namespace {

constexpr size_t kNameField = 100;
constexpr int64_t kMaxOctal7 = 07777777;
constexpr int64_t kMaxOctal11 = 077777777777;

// "<length> <key>=<value>\n", the length including itself.
std::string PaxRecord(const std::string& key, const std::string& value) {
  const size_t rest = key.size() + value.size() + 3;
  size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length) ++length;
  return Cat(length, ' ', key, '=', value, '\n');
}

std::string PaxRecords(const TarMember& m) {
  std::string out;
  if (m.path.size() > kNameField) out += PaxRecord("path", m.path);
  if (m.link.size() > kNameField) out += PaxRecord("linkpath", m.link);
  if (m.uid > kMaxOctal7) out += PaxRecord("uid", Cat(m.uid));
  if (m.gid > kMaxOctal7) out += PaxRecord("gid", Cat(m.gid));
  if (m.size > kMaxOctal11) out += PaxRecord("size", Cat(m.size));
  if (m.mtime_ns != 0 || m.mtime_s < 0 || m.mtime_s > kMaxOctal11) {
    char fraction[16];
    std::snprintf(fraction, sizeof(fraction), "%09d", static_cast<int>(m.mtime_ns));
    // A time before 1970 counts backwards from the second above it.
    const bool below = m.mtime_s < 0 && m.mtime_ns != 0;
    if (below) {
      std::snprintf(fraction, sizeof(fraction), "%09d",
                    static_cast<int>(1'000'000'000 - m.mtime_ns));
    }
    const std::string seconds = below && m.mtime_s == -1 ? "-0" : Cat(m.mtime_s + (below ? 1 : 0));
    out += PaxRecord("mtime", Cat(seconds, '.', fraction));
  }
  for (const auto& [name, value] : m.xattrs) out += PaxRecord("SCHILY.xattr." + name, value);
  return out;
}

void PutOctal(char* field, size_t size, int64_t value) {
  std::snprintf(field, size, "%0*llo", static_cast<int>(size) - 1,
                static_cast<unsigned long long>(value));
}

std::string Header(const TarMember& m) {
  std::string block(kTarBlock, '\0');
  char* const p = block.data();
  std::memcpy(p, m.path.data(), std::min(m.path.size(), kNameField));
  PutOctal(p + 100, 8, m.mode & 07777);
  PutOctal(p + 108, 8, m.uid > kMaxOctal7 ? 0 : m.uid);
  PutOctal(p + 116, 8, m.gid > kMaxOctal7 ? 0 : m.gid);
  PutOctal(p + 124, 12, m.size > kMaxOctal11 ? 0 : m.size);
  PutOctal(p + 136, 12, std::clamp<int64_t>(m.mtime_s, 0, kMaxOctal11));
  std::memset(p + 148, ' ', 8);
  p[156] = m.type;
  std::memcpy(p + 157, m.link.data(), std::min(m.link.size(), kNameField));
  std::memcpy(p + 257, "ustar\00000", 8);
  PutOctal(p + 329, 8, m.device_major);
  PutOctal(p + 337, 8, m.device_minor);
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  std::snprintf(p + 148, 8, "%06o", sum);
  p[155] = ' ';
  return block;
}

}  // namespace

Status TarWriter::Write(const std::string& bytes) {
  return Data(Bytes(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
}

Status TarWriter::Data(Bytes bytes) {
  in_block_ = (in_block_ + bytes.size()) % kTarBlock;
  return bytes.empty() ? OkStatus() : sink_(bytes);
}

Status TarWriter::Pad() {
  return in_block_ == 0 ? OkStatus() : Write(std::string(kTarBlock - in_block_, '\0'));
}

Status TarWriter::Begin(const TarMember& member) {
  CRISP_RETURN_IF_ERROR(Pad());
  if (const std::string records = PaxRecords(member); !records.empty()) {
    TarMember extended;
    extended.path = "PaxHeaders/x";
    extended.type = 'x';
    extended.mode = 0644;
    extended.size = static_cast<int64_t>(records.size());
    CRISP_RETURN_IF_ERROR(Write(Header(extended)));
    CRISP_RETURN_IF_ERROR(Write(records));
    CRISP_RETURN_IF_ERROR(Pad());
  }
  return Write(Header(member));
}

Status TarWriter::Finish() {
  CRISP_RETURN_IF_ERROR(Pad());
  return Write(std::string(2 * kTarBlock, '\0'));
}

}  // namespace crisp::image
