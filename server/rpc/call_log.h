// CallLog: what every RPC leaves behind, a latency and a count by code, and a line in the log.
//
// What:    crisp_rpc_duration_seconds{method}, crisp_rpc_total{method,code}. Calls are logged at
//          debug; failures that point at crisp or its machine (not at the caller) as warnings.
// Threads:  any, after the methods were added.
#ifndef CRISP_SERVER_RPC_CALL_LOG_H_
#define CRISP_SERVER_RPC_CALL_LOG_H_

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "base/core/result.h"
#include "base/telemetry.h"

namespace google::protobuf {
class Message;
}

namespace crisp::rpc {

class Method {
 public:
  Method(std::string name, Telemetry* telemetry);

  const std::string& name() const { return name_; }
  void LogRequest(const google::protobuf::Message& request) const;
  void Record(const Status& status, Duration elapsed);

 private:
  std::string name_;
  Telemetry* telemetry_;
  Histogram& latency_;
  // By code; made when a code is seen first, so that the exposition stays short.
  std::array<std::atomic<Counter*>, 17> counts_{};
};

class CallLog {
 public:
  explicit CallLog(Telemetry* telemetry) : telemetry_(telemetry) {}
  void AddMethod(const std::string& name);
  // Precondition: was added.
  Method* Get(std::string_view name) const { return methods_.find(name)->second.get(); }

 private:
  Telemetry* telemetry_;
  std::map<std::string, std::unique_ptr<Method>, std::less<>> methods_;
};

}  // namespace crisp::rpc

#endif  // CRISP_SERVER_RPC_CALL_LOG_H_
