#include "image/pull/header_lines.h"

#include <cctype>

#include "base/core/file.h"

namespace crisp::image {

Status HeaderLines::Add(std::string_view line, HttpResponse* response) {
  bytes_ += line.size();
  if (bytes_ > kMaxHeader_bytes) return ResourceExhausted("the answer has too many headers");
  if (!open_) {
    if (!line.starts_with("HTTP/")) return OkStatus();  // a trailer
    open_ = true;
    response->headers.clear();
    response->body.clear();
    return OkStatus();
  }
  if (line == "\r\n" || line == "\n") {
    open_ = false;
    return OkStatus();
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return OkStatus();
  std::string name(line.substr(0, colon));
  if (name.empty() || name.find_first_of(" \t") != std::string::npos) return OkStatus();
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  response->headers.emplace(std::move(name), Trim(line.substr(colon + 1)));
  return OkStatus();
}

}  // namespace crisp::image
