#include "image/pull/tar_reader.h"

#include <algorithm>

#include "image/pull/layer_path.h"

namespace crisp::image {
namespace {

int64_t PaddingOf(int64_t size) {
  return (static_cast<int64_t>(kTarBlock) - size % static_cast<int64_t>(kTarBlock)) %
         static_cast<int64_t>(kTarBlock);
}

Result<uint32_t> OwnerId(int64_t id, std::string_view what) {
  if (id < 0 || id > int64_t{UINT32_MAX} - 1) {
    return InvalidArgument(what, " ", id, " is outside of 0 to 4294967294");
  }
  return static_cast<uint32_t>(id);
}

}  // namespace

Status TarReader::FinishData() {
  CRISP_RETURN_IF_ERROR(input_.Skip(std::exchange(data_left_, 0)));
  // umoci's insert ends behind the last file's data; Go's reader takes that, and so must we.
  return input_.SkipPadding(std::exchange(padding_, 0));
}

Result<std::optional<TarEntry>> TarReader::Next() {
  CRISP_RETURN_IF_ERROR(FinishData());
  Pending pending;
  for (;;) {
    const Bytes block = CRISP_TRY(input_.Block());
    // Archives without the two zero blocks at their end are common; the digest tells a cut.
    if (block.empty() || IsZeroBlock(block)) {
      if (pending.pax || pending.long_path || pending.long_link) {
        return DataLoss("the tar archive ends after an extended header");
      }
      return std::optional<TarEntry>();
    }
    TarHeader header = CRISP_TRY(ParseTarHeader(block));
    if (++entries_ > limits_.max_entries) {
      return ResourceExhausted("more than ", limits_.max_entries, " entries");
    }
    if (CRISP_TRY(TakeExtension(header, &pending))) continue;
    while (header.gnu_extended) {
      const Bytes more = CRISP_TRY(input_.Block());
      if (more.empty()) return DataLoss("the tar archive is cut off");
      CRISP_RETURN_IF_ERROR(ParseGnuSparseBlock(more, &header));
      if (header.gnu_segments.size() > limits_.max_sparse_segments) {
        return ResourceExhausted("a sparse file with too many segments");
      }
    }
    return std::optional<TarEntry>(CRISP_TRY(MakeEntry(header, pending)));
  }
}

Result<bool> TarReader::TakeExtension(const TarHeader& header, Pending* pending) {
  switch (header.type) {
    case 'x':
      pending->pax = CRISP_TRY(ParsePax(CRISP_TRY(ReadExtension(header))));
      return true;
    case 'g':
      (void)CRISP_TRY(ReadExtension(header));
      return true;
    case 'L':
    case 'K': {
      std::string text = CRISP_TRY(ReadExtension(header));
      text.resize(std::min(text.size(), text.find('\0')));
      (header.type == 'L' ? pending->long_path : pending->long_link) = std::move(text);
      return true;
    }
    default:
      return false;
  }
}

Result<std::string> TarReader::ReadExtension(const TarHeader& header) {
  if (header.size > limits_.max_header_bytes) {
    return ResourceExhausted("an extended header of ", header.size, " bytes; at most ",
                             limits_.max_header_bytes, " are allowed");
  }
  std::string text = CRISP_TRY(input_.Text(header.size));
  CRISP_RETURN_IF_ERROR(input_.Skip(PaddingOf(header.size)));
  return text;
}

Result<TarEntry> TarReader::MakeEntry(const TarHeader& header, const Pending& pending) {
  const PaxRecords* pax = pending.pax ? &*pending.pax : nullptr;
  TarEntry entry;
  entry.path = pending.long_path.value_or(header.path);
  entry.link = pending.long_link.value_or(header.link);
  if (pax != nullptr) {
    entry.path = pax->sparse_name.value_or(pax->path.value_or(entry.path));
    entry.link = pax->link.value_or(entry.link);
    entry.xattrs = pax->xattrs;
  }
  const auto named = [&](Status status) {
    return std::move(status).Wrap("entry ", PrintablePath(entry.path));
  };
  CRISP_RETURN_IF_ERROR(named(SetType(header, &entry)));
  entry.mode = static_cast<mode_t>(header.mode & 07777);
  auto uid = OwnerId(pax && pax->uid ? *pax->uid : header.uid, "uid");
  auto gid = OwnerId(pax && pax->gid ? *pax->gid : header.gid, "gid");
  if (!uid.ok()) return named(uid.status());
  if (!gid.ok()) return named(gid.status());
  entry.uid = *uid;
  entry.gid = *gid;
  entry.mtime_s = pax && pax->mtime_s ? *pax->mtime_s : header.mtime;
  entry.mtime_ns = pax && pax->mtime_s ? pax->mtime_ns : 0;

  data_bytes_ = pax && pax->size ? *pax->size : header.size;
  if (data_bytes_ < 0) return named(DataLoss("size is negative"));
  // Only plain files have data, whatever the size field says: so reads the tar library that every
  // tool which builds images uses, and two readings of one archive must not differ.
  if (entry.type != TarType::kFile) data_bytes_ = 0;
  if (data_bytes_ > limits_.max_entry_bytes ||
      data_bytes_ > limits_.max_total_bytes - total_bytes_) {
    return named(
        ResourceExhausted("the archive is larger than ", limits_.max_total_bytes, " bytes"));
  }
  total_bytes_ += data_bytes_;
  data_left_ = data_bytes_;
  padding_ = PaddingOf(data_bytes_);
  entry.size = entry.type == TarType::kFile ? data_bytes_ : 0;
  CRISP_RETURN_IF_ERROR(named(SetSparse(header, pax, &entry)));
  data_offset_ = input_.offset();
  return entry;
}

Status TarReader::SetType(const TarHeader& header, TarEntry* entry) {
  switch (header.type) {
    case '0':
    case '7':  // contiguous: a plain file to everybody but old mainframes (POSIX pax)
    case 'S':
      // v7 archives know no directory type: the name's slash says it.
      entry->type = entry->path.ends_with('/') ? TarType::kDirectory : TarType::kFile;
      return OkStatus();
    case '1':
      entry->type = TarType::kHardLink;
      return OkStatus();
    case '2':
      entry->type = TarType::kSymlink;
      return OkStatus();
    case '3':
    case '4':
      entry->type = header.type == '3' ? TarType::kCharDevice : TarType::kBlockDevice;
      if (header.device_major < 0 || header.device_major > 0xfff || header.device_minor < 0 ||
          header.device_minor > 0xfffff) {
        return InvalidArgument("device number ", header.device_major, ":", header.device_minor,
                               " is outside of what Linux has");
      }
      entry->device_major = static_cast<uint32_t>(header.device_major);
      entry->device_minor = static_cast<uint32_t>(header.device_minor);
      return OkStatus();
    case '5':
      entry->type = TarType::kDirectory;
      return OkStatus();
    case '6':
      entry->type = TarType::kFifo;
      return OkStatus();
    default:
      return InvalidArgument("entries of type ", static_cast<int>(header.type),
                             " (ASCII) are not known");
  }
}

Status TarReader::SetSparse(const TarHeader& header, const PaxRecords* pax, TarEntry* entry) {
  if (entry->type != TarType::kFile) return OkStatus();
  if (header.type == 'S') {
    entry->sparse = true;
    entry->size = header.gnu_real_size;
    entry->segments = header.gnu_segments;
  } else if (pax != nullptr && pax->sparse) {
    entry->sparse = true;
    entry->size = pax->sparse_real_size.value_or(entry->size);
    entry->segments = pax->sparse_segments;
    if (pax->sparse_map_in_data) CRISP_RETURN_IF_ERROR(ReadSparseMapInData(entry));
  }
  return entry->sparse ? CheckSegments(entry) : OkStatus();
}

// Format 1.0: the data begins with decimal lines (count, then offset and length in turn), filled up
// to a block boundary.
Status TarReader::ReadSparseMapInData(TarEntry* entry) {
  std::vector<int64_t> numbers;
  size_t wanted = 1;
  std::string line;
  while (numbers.size() < wanted) {
    if (data_left_ < static_cast<int64_t>(kTarBlock)) return DataLoss("the sparse map is cut off");
    const Bytes block = CRISP_TRY(input_.Block());
    if (block.empty()) return DataLoss("the tar archive is cut off");
    data_left_ -= kTarBlock;
    for (uint8_t byte : block) {
      if (numbers.size() == wanted) break;
      if (byte != '\n') {
        if (line.size() > 20) return DataLoss("the sparse map is malformed");
        line += static_cast<char>(byte);
        continue;
      }
      numbers.push_back(CRISP_TRY(ParseDecimal(line, "sparse map")));
      line.clear();
      if (numbers.size() == 1) {
        if (numbers[0] < 0 || numbers[0] > static_cast<int64_t>(limits_.max_sparse_segments)) {
          return ResourceExhausted("a sparse file with ", numbers[0], " segments");
        }
        wanted = 1 + 2 * static_cast<size_t>(numbers[0]);
      }
    }
  }
  entry->segments.clear();
  for (size_t i = 1; i + 1 < numbers.size(); i += 2) {
    entry->segments.push_back({numbers[i], numbers[i + 1]});
  }
  return OkStatus();
}

Status TarReader::CheckSegments(TarEntry* entry) {
  if (entry->size < 0 || entry->size > limits_.max_entry_bytes) {
    return ResourceExhausted("a sparse file of ", entry->size, " bytes");
  }
  if (entry->segments.size() > limits_.max_sparse_segments) {
    return ResourceExhausted("a sparse file with ", entry->segments.size(), " segments");
  }
  int64_t end = 0;
  int64_t data = 0;
  for (const TarSegment& segment : entry->segments) {
    if (segment.offset < end || segment.length < 0 || segment.offset > entry->size ||
        segment.length > entry->size - segment.offset) {
      return DataLoss("the sparse map is not in order or leaves the file");
    }
    end = segment.offset + segment.length;
    data += segment.length;
  }
  if (data != data_left_) return DataLoss("the sparse map does not fit the data");
  return OkStatus();
}

Result<Bytes> TarReader::ReadData() {
  if (data_left_ == 0) return Bytes();
  const Bytes some = CRISP_TRY(input_.Some(data_left_));
  data_left_ -= static_cast<int64_t>(some.size());
  return some;
}

}  // namespace crisp::image
