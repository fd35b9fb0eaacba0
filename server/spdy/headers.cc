#include "server/spdy/headers.h"

#include <algorithm>

#include "server/spdy/protocol.h"

namespace crisp::spdy {
namespace {

// Takes "u32 length, bytes" from the front.
std::optional<std::string_view> TakeString(std::string_view* block) {
  if (block->size() < 4) return std::nullopt;
  const uint32_t length = ReadU32(block->data());
  if (length > block->size() - 4) return std::nullopt;
  const std::string_view out = block->substr(4, length);
  block->remove_prefix(4 + size_t{length});
  return out;
}

std::string LowerCase(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::vector<std::string> SplitValues(std::string_view joined) {
  std::vector<std::string> out;
  for (;;) {
    const size_t nul = joined.find('\0');
    out.emplace_back(joined.substr(0, nul));
    if (nul == std::string_view::npos) return out;
    joined.remove_prefix(nul + 1);
  }
}

const Header* FindHeader(const std::vector<Header>& headers, std::string_view name) {
  const auto it = std::find_if(headers.begin(), headers.end(),
                               [&](const Header& header) { return header.name == name; });
  return it == headers.end() ? nullptr : &*it;
}

}  // namespace

std::optional<std::string_view> Headers::Find(std::string_view name) const {
  const Header* header = FindHeader(headers_, name);
  if (header == nullptr || header->values.empty()) return std::nullopt;
  return header->values.front();
}

Result<Headers> ParseHeaders(std::string_view block, size_t max_headers) {
  if (block.size() < 4) {
    return InvalidArgument("header block of ", block.size(), " bytes: no room for its count");
  }
  const uint32_t count = ReadU32(block.data());
  block.remove_prefix(4);
  if (count > max_headers) {
    return ResourceExhausted("header block: ", count, " headers, at most ", max_headers,
                             " are taken");
  }
  std::vector<Header> headers;
  for (uint32_t i = 0; i < count; ++i) {
    const std::optional<std::string_view> name = TakeString(&block);
    if (!name) return InvalidArgument("header block: name ", i + 1, " of ", count, " is cut off");
    if (name->empty()) return InvalidArgument("header block: name ", i + 1, " is empty");
    const std::optional<std::string_view> value = TakeString(&block);
    if (!value) return InvalidArgument("header block: value ", i + 1, " of ", count, " is cut off");
    Header header{LowerCase(*name), SplitValues(*value)};
    if (FindHeader(headers, header.name) != nullptr) {
      return InvalidArgument("header block: name ", i + 1, " was there before");
    }
    headers.push_back(std::move(header));
  }
  if (!block.empty()) {
    return InvalidArgument("header block: ", block.size(), " bytes left over after ", count,
                           " headers");
  }
  return Headers(std::move(headers));
}

std::string EncodeHeaders(const Headers& headers) {
  std::string out;
  AppendU32(&out, static_cast<uint32_t>(headers.all().size()));
  for (const Header& header : headers.all()) {
    AppendU32(&out, static_cast<uint32_t>(header.name.size()));
    out += header.name;
    std::string joined;
    for (size_t i = 0; i < header.values.size(); ++i) {
      if (i > 0) joined.push_back('\0');
      joined += header.values[i];
    }
    AppendU32(&out, static_cast<uint32_t>(joined.size()));
    out += joined;
  }
  return out;
}

}  // namespace crisp::spdy
