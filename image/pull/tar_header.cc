#include "image/pull/tar_header.h"

#include <algorithm>
#include <cstring>

namespace crisp::image {
namespace {

std::string_view Text(Bytes block, size_t offset, size_t length) {
  const char* start = reinterpret_cast<const char*>(block.data()) + offset;
  return {start, ::strnlen(start, length)};
}

Result<int64_t> ParseBase256(Bytes field, std::string_view name) {
  // Two's complement, big endian; the highest bit only marks the form (GNU tar manual).
  const bool negative = (field[0] & 0x40) != 0;
  uint64_t value = negative ? ~uint64_t{0} : 0;
  for (size_t i = 0; i < field.size(); ++i) {
    uint8_t byte = field[i];
    if (i == 0) byte = negative ? byte : (byte & 0x7f);
    if ((value >> 55) != (negative ? 0x1ffu : 0u)) {
      return DataLoss("tar header: ", name, " is too large");
    }
    value = (value << 8) | byte;
  }
  return static_cast<int64_t>(value);
}

Status CheckSum(Bytes block) {
  const int64_t expected = CRISP_TRY(ParseTarNumber(block.subspan(148, 8), "checksum"));
  int64_t as_unsigned = 0;
  int64_t as_signed = 0;  // historic tars summed signed characters
  for (size_t i = 0; i < kTarBlock; ++i) {
    const uint8_t byte = i >= 148 && i < 156 ? ' ' : block[i];
    as_unsigned += byte;
    as_signed += static_cast<int8_t>(byte);
  }
  if (expected == as_unsigned || expected == as_signed) return OkStatus();
  return DataLoss("tar header: wrong checksum; this is not a tar archive, or it is damaged");
}

// 24-byte pairs of offset and length; an empty pair ends the list.
Status ParseSegments(Bytes table, size_t count, std::vector<TarSegment>* out) {
  for (size_t i = 0; i < count; ++i) {
    const Bytes pair = table.subspan(i * 24, 24);
    if (pair[0] == 0) break;
    TarSegment segment;
    segment.offset = CRISP_TRY(ParseTarNumber(pair.first(12), "sparse offset"));
    segment.length = CRISP_TRY(ParseTarNumber(pair.subspan(12), "sparse length"));
    out->push_back(segment);
  }
  return OkStatus();
}

}  // namespace

bool IsZeroBlock(Bytes block) {
  return std::all_of(block.begin(), block.end(), [](uint8_t byte) { return byte == 0; });
}

Result<int64_t> ParseTarNumber(Bytes field, std::string_view name) {
  if ((field[0] & 0x80) != 0) return ParseBase256(field, name);
  int64_t value = 0;
  bool ended = false;
  bool begun = false;
  for (uint8_t byte : field) {
    if (byte >= '0' && byte <= '7' && !ended) {
      if (value > (INT64_MAX >> 3)) return DataLoss("tar header: ", name, " is too large");
      value = value * 8 + (byte - '0');
      begun = true;
    } else if (byte == ' ' || byte == 0) {
      ended = ended || begun;
    } else {
      return DataLoss("tar header: ", name, " is not an octal number");
    }
  }
  return value;
}

Result<TarHeader> ParseTarHeader(Bytes block) {
  CRISP_RETURN_IF_ERROR(CheckSum(block));
  TarHeader out;
  out.type = block[156] == 0 ? '0' : static_cast<char>(block[156]);
  out.path = Text(block, 0, 100);
  out.link = Text(block, 157, 100);
  out.mode = CRISP_TRY(ParseTarNumber(block.subspan(100, 8), "mode"));
  out.uid = CRISP_TRY(ParseTarNumber(block.subspan(108, 8), "uid"));
  out.gid = CRISP_TRY(ParseTarNumber(block.subspan(116, 8), "gid"));
  out.size = CRISP_TRY(ParseTarNumber(block.subspan(124, 12), "size"));
  out.mtime = CRISP_TRY(ParseTarNumber(block.subspan(136, 12), "mtime"));
  if (out.size < 0) return DataLoss("tar header: size is negative");
  const bool ustar = std::memcmp(block.data() + 257, "ustar\0", 6) == 0;
  const bool gnu = std::memcmp(block.data() + 257, "ustar  ", 7) == 0;
  if (ustar || gnu) {
    out.device_major = CRISP_TRY(ParseTarNumber(block.subspan(329, 8), "device major"));
    out.device_minor = CRISP_TRY(ParseTarNumber(block.subspan(337, 8), "device minor"));
  }
  if (ustar) {
    const std::string_view prefix = Text(block, 345, 155);
    if (!prefix.empty()) out.path = Cat(prefix, '/', out.path);
  }
  if (out.type == 'S') {
    CRISP_RETURN_IF_ERROR(ParseSegments(block.subspan(386, 96), 4, &out.gnu_segments));
    out.gnu_extended = block[482] != 0;
    out.gnu_real_size = CRISP_TRY(ParseTarNumber(block.subspan(483, 12), "real size"));
  }
  return out;
}

Status ParseGnuSparseBlock(Bytes block, TarHeader* header) {
  CRISP_RETURN_IF_ERROR(ParseSegments(block, 21, &header->gnu_segments));
  header->gnu_extended = block[504] != 0;
  return OkStatus();
}

}  // namespace crisp::image
