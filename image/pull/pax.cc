#include "image/pull/pax.h"

#include <charconv>

namespace crisp::image {
namespace {

constexpr std::string_view kXattrPrefix = "SCHILY.xattr.";

// "1350244992.023960108": the fraction is cut after nanoseconds, and counts upwards also for times
// before 1970.
Status ParseTime(std::string_view text, PaxRecords* out) {
  const size_t dot = text.find('.');
  int64_t seconds = CRISP_TRY(ParseDecimal(text.substr(0, dot), "mtime"));
  int64_t ns = 0;
  if (dot != std::string_view::npos) {
    std::string digits(text.substr(dot + 1, 9));
    digits.resize(9, '0');
    ns = CRISP_TRY(ParseDecimal(digits, "mtime"));
    if (ns < 0) return DataLoss("pax header: mtime is malformed");
    if (ns > 0 && text.starts_with('-')) {
      --seconds;
      ns = 1000000000 - ns;
    }
  }
  out->mtime_s = seconds;
  out->mtime_ns = ns;
  return OkStatus();
}

// Format 0.1: "offset,length,offset,length...".
Status ParseSparseMap(std::string_view text, PaxRecords* out) {
  out->sparse = true;
  out->sparse_segments.clear();
  std::vector<int64_t> numbers;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    numbers.push_back(CRISP_TRY(ParseDecimal(text.substr(0, comma), "sparse map")));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  if (numbers.size() % 2 != 0) return DataLoss("pax header: sparse map has an odd length");
  for (size_t i = 0; i < numbers.size(); i += 2) {
    out->sparse_segments.push_back({numbers[i], numbers[i + 1]});
  }
  return OkStatus();
}

Status TakeSparse(std::string_view key, std::string_view value, PaxRecords* out) {
  if (key == "major") {
    out->sparse = true;
    out->sparse_map_in_data = value == "1";
  } else if (key == "name") {
    out->sparse_name = value;
  } else if (key == "realsize" || key == "size") {
    out->sparse = true;
    out->sparse_real_size = CRISP_TRY(ParseDecimal(value, "sparse size"));
  } else if (key == "map") {
    return ParseSparseMap(value, out);
  } else if (key == "offset") {  // format 0.0: one pair of records per segment
    out->sparse_segments.push_back({CRISP_TRY(ParseDecimal(value, "sparse offset")), 0});
  } else if (key == "numbytes") {
    if (out->sparse_segments.empty()) return DataLoss("pax header: sparse length without offset");
    out->sparse_segments.back().length = CRISP_TRY(ParseDecimal(value, "sparse length"));
  }
  return OkStatus();
}

Status Take(std::string_view key, std::string_view value, PaxRecords* out) {
  constexpr std::string_view kSparse = "GNU.sparse.";
  if (key.starts_with(kXattrPrefix)) {
    const std::string_view name = key.substr(kXattrPrefix.size());
    if (name.empty() || name.find('\0') != std::string_view::npos) {
      return DataLoss("pax header: an extended attribute has a name that none can have");
    }
    out->xattrs[std::string(name)] = value;
  } else if (key.starts_with(kSparse)) {
    return TakeSparse(key.substr(kSparse.size()), value, out);
  } else if (value.empty()) {
    return OkStatus();  // an empty value takes back an earlier header's (POSIX pax)
  } else if (key == "path") {
    out->path = value;
  } else if (key == "linkpath") {
    out->link = value;
  } else if (key == "size") {
    out->size = CRISP_TRY(ParseDecimal(value, "size"));
  } else if (key == "uid") {
    out->uid = CRISP_TRY(ParseDecimal(value, "uid"));
  } else if (key == "gid") {
    out->gid = CRISP_TRY(ParseDecimal(value, "gid"));
  } else if (key == "mtime") {
    return ParseTime(value, out);
  }
  return OkStatus();
}

}  // namespace

Result<int64_t> ParseDecimal(std::string_view text, std::string_view what) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return DataLoss("tar header: ", what, " is not a number that fits");
  }
  return value;
}

Result<PaxRecords> ParsePax(std::string_view text) {
  PaxRecords out;
  while (!text.empty()) {
    const size_t space = text.find(' ');
    if (space > 20) {  // nowhere, too
      return DataLoss("pax header: a record has no length");
    }
    const int64_t length = CRISP_TRY(ParseDecimal(text.substr(0, space), "pax record length"));
    if (length <= static_cast<int64_t>(space) + 1 || length > static_cast<int64_t>(text.size()) ||
        text[static_cast<size_t>(length) - 1] != '\n') {
      return DataLoss("pax header: a record's length is wrong");
    }
    const std::string_view record = text.substr(space + 1, static_cast<size_t>(length) - space - 2);
    text.remove_prefix(static_cast<size_t>(length));
    const size_t equals = record.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return DataLoss("pax header: a record has no key");
    }
    CRISP_RETURN_IF_ERROR(Take(record.substr(0, equals), record.substr(equals + 1), &out));
  }
  return out;
}

}  // namespace crisp::image
