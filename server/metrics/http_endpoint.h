// HttpEndpoint: a listener that answers GET /metrics, on the daemon's loop.
//
// Contract: HTTP/1.1 (RFC 9112), one request per connection ("Connection: close"). Bounded: at most
//           16 connections, 8 KiB of request head, 10 s from accept to the last byte. Where
//           descriptors or memory are short, clients wait.
// Threads:  made and destroyed on any thread; everything else happens on the loop. `render` runs
//           there and must not block. Destroy it when the loop does not run, or on the loop.
// Errors:   Open names the address.
#ifndef CRISP_SERVER_METRICS_HTTP_ENDPOINT_H_
#define CRISP_SERVER_METRICS_HTTP_ENDPOINT_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/core/epoll_loop.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace crisp::metrics {

class HttpEndpoint {
 public:
  // `address`: "127.0.0.1:9090", "[::1]:9090"; port 0 picks a free one.
  static Result<std::unique_ptr<HttpEndpoint>> Open(const std::string& address, EpollLoop* loop,
                                                    std::function<std::string()> render);
  ~HttpEndpoint();
  HttpEndpoint(const HttpEndpoint&) = delete;
  HttpEndpoint& operator=(const HttpEndpoint&) = delete;

  int port() const { return port_; }
  // The answer to a whole request head.
  static std::string Respond(std::string_view request, const std::function<std::string()>& render);

 private:
  struct Connection {
    UniqueFd socket;
    EpollLoop::WatchId watch = 0;
    EpollLoop::TimerId timer = 0;
    std::string request;
    std::string response;  // not empty: is being written
    size_t written = 0;
  };

  HttpEndpoint(EpollLoop* loop, UniqueFd listener, std::function<std::string()> render)
      : loop_(loop), listener_(std::move(listener)), render_(std::move(render)) {}
  void Accept();
  void OnEvent(uint64_t id);
  void Read(Connection* connection);
  // False when the connection is finished or broken.
  bool Write(Connection* connection);
  void Drop(uint64_t id);

  EpollLoop* loop_;
  UniqueFd listener_;
  std::function<std::string()> render_;
  int port_ = 0;
  EpollLoop::WatchId watch_ = 0;
  EpollLoop::TimerId accept_again_ = 0;
  uint64_t next_id_ = 1;
  std::map<uint64_t, Connection> connections_;  // loop thread only
};

}  // namespace crisp::metrics

#endif  // CRISP_SERVER_METRICS_HTTP_ENDPOINT_H_
