#include "fake_registry.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "base/core/file.h"
#include "tar_builder.h"

namespace crisp::image {
namespace {

// The head of one request; empty when the connection has ended.
std::string ReadHead(int fd, std::string* rest) {
  std::string text = std::exchange(*rest, {});
  for (;;) {
    const size_t end = text.find("\r\n\r\n");
    if (end != std::string::npos) {
      *rest = text.substr(end + 4);
      return text.substr(0, end + 2);
    }
    char buffer[4096];
    const ssize_t n = ::read(fd, buffer, sizeof(buffer));
    if (n <= 0) return {};
    text.append(buffer, static_cast<size_t>(n));
  }
}

FakeRequest ParseHead(const std::string& head) {
  FakeRequest out;
  size_t at = head.find("\r\n");
  const std::string first = head.substr(0, at);
  out.method = first.substr(0, first.find(' '));
  out.target = first.substr(out.method.size() + 1, first.rfind(' ') - out.method.size() - 1);
  while (at + 2 < head.size()) {
    const size_t end = head.find("\r\n", at + 2);
    const std::string line = head.substr(at + 2, end - at - 2);
    at = end;
    const size_t colon = line.find(':');
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    out.headers[name] = line.substr(std::min(line.size(), colon + 2));
  }
  return out;
}

}  // namespace

FakeResponse BlobAnswer(const std::string& blob, const FakeRequest& request) {
  FakeResponse out;
  out.headers = {"Accept-Ranges: bytes"};
  const std::string range = request.Header("range");
  if (range.empty()) {
    out.body = blob;
    return out;
  }
  const size_t first = std::stoul(range.substr(6));
  const std::string end = range.substr(range.find('-') + 1);
  const size_t last = end.empty() ? blob.size() - 1 : std::stoul(end);
  out.status = 206;
  out.headers.push_back("Content-Range: bytes " + std::to_string(first) + "-" +
                        std::to_string(last) + "/" + std::to_string(blob.size()));
  out.body = blob.substr(first, last + 1 - first);
  return out;
}

FakeRegistry::FakeRegistry() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_.get(), 64) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

FakeRegistry::~FakeRegistry() {
  stopping_ = true;
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  {
    std::lock_guard lock(mutex_);
    for (int fd : connections_) ::shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
}

std::string FakeRegistry::host() const { return "127.0.0.1:" + std::to_string(port_); }

void FakeRegistry::SetHook(Hook hook) {
  std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

std::string FakeRegistry::AddBlob(const std::string& bytes) {
  std::lock_guard lock(mutex_);
  const std::string digest = Sha256(bytes);
  blobs_[digest] = bytes;
  return digest;
}

void FakeRegistry::AddManifest(const std::string& tag, const std::string& bytes,
                               const std::string& type) {
  std::lock_guard lock(mutex_);
  manifests_[tag] = manifests_[Sha256(bytes)] = {bytes, type};
}

std::vector<FakeRequest> FakeRegistry::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

size_t FakeRegistry::CountRequests(const std::string& part) const {
  const auto all = requests();
  return static_cast<size_t>(std::count_if(all.begin(), all.end(), [&](const FakeRequest& r) {
    return r.target.find(part) != std::string::npos;
  }));
}

void FakeRegistry::Accept() {
  for (;;) {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) return;
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    connections_.push_back(fd.get());
    threads_.emplace_back([this, f = std::move(fd)]() mutable { Serve(std::move(f)); });
  }
}

void FakeRegistry::Serve(UniqueFd connection) {
  std::string rest;
  for (;;) {
    const std::string head = ReadHead(connection.get(), &rest);
    if (head.empty()) break;
    FakeRequest request = ParseHead(head);
    const std::string length = request.Header("content-length");
    while (!length.empty() && rest.size() < std::stoul(length)) {
      char buffer[4096];
      const ssize_t n = ::read(connection.get(), buffer, sizeof(buffer));
      if (n <= 0) break;
      rest.append(buffer, static_cast<size_t>(n));
    }
    if (!length.empty()) request.body = std::exchange(rest, {});
    const FakeResponse response = Answer(request);
    std::string out = "HTTP/1.1 " + std::to_string(response.status) + " Status\r\n";
    for (const std::string& header : response.headers) out += header + "\r\n";
    if (!response.write_body || response.claimed_length) {
      out += "Content-Length: " +
             std::to_string(response.claimed_length.value_or(response.body.size())) + "\r\n";
    }
    if (!WriteAll(connection.get(), out + "\r\n" + response.body).ok()) break;
    if (response.write_body) response.write_body(connection.get());
    if (response.write_body || response.claimed_length) break;
  }
  std::lock_guard lock(mutex_);
  connections_.remove(connection.get());
}

FakeResponse FakeRegistry::Answer(const FakeRequest& request) {
  Hook hook;
  {
    std::lock_guard lock(mutex_);
    requests_.push_back(request);
    hook = hook_;
  }
  if (hook) {
    if (auto response = hook(request)) return std::move(*response);
  }
  return Content(request);
}

FakeResponse FakeRegistry::Content(const FakeRequest& request) {
  std::lock_guard lock(mutex_);
  const std::string path = request.target.substr(0, request.target.find('?'));
  const std::string last = path.substr(path.rfind('/') + 1);
  FakeResponse out;
  if (request.target.find("/blobs/") != std::string::npos && blobs_.contains(last)) {
    return BlobAnswer(blobs_.at(last), request);
  } else if (request.target.find("/manifests/") != std::string::npos && manifests_.contains(last)) {
    out.body = manifests_.at(last).first;
    out.headers = {"Content-Type: " + manifests_.at(last).second};
  } else {
    out.status = 404;
    out.body = R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]})";
  }
  return out;
}

}  // namespace crisp::image
