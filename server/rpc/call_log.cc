#include "server/rpc/call_log.h"

#include "base/log.h"
#include "server/rpc/redact.h"

namespace crisp::rpc {
namespace {

log::Level LevelOf(Code code) {
  switch (code) {
    case Code::kUnknown:
    case Code::kResourceExhausted:
    case Code::kInternal:
    case Code::kUnavailable:
    case Code::kDataLoss:
      return log::Level::kWarning;
    default:
      return log::Level::kDebug;
  }
}

}  // namespace

Method::Method(std::string name, Telemetry* telemetry)
    : name_(std::move(name)),
      telemetry_(telemetry),
      latency_(telemetry->GetHistogram("crisp_rpc_duration_seconds", "Time to answer an RPC",
                                       {{"method", name_}})) {}

void Method::LogRequest(const google::protobuf::Message& request) const {
  if (!log::Enabled(log::Level::kTrace)) return;
  log::Trace("rpc request", {{"method", name_}, {"request", DescribeRequest(request)}});
}

void Method::Record(const Status& status, Duration elapsed) {
  latency_.Observe(elapsed);
  std::atomic<Counter*>& slot = counts_[static_cast<size_t>(status.code())];
  Counter* counter = slot.load(std::memory_order_acquire);
  if (counter == nullptr) {
    // Two threads may both come here: they get the same counter.
    counter = &telemetry_->GetCounter(
        "crisp_rpc_total", "RPCs by their status code",
        {{"method", name_}, {"code", std::string(CodeName(status.code()))}});
    slot.store(counter, std::memory_order_release);
  }
  counter->Add();
  const log::Level level = LevelOf(status.code());
  if (!log::Enabled(level)) return;
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count();
  if (status.ok()) {
    log::Write(level, "rpc", {{"method", name_}, {"us", us}});
  } else {
    log::Write(level, "rpc failed", {{"method", name_}, {"us", us}, {"error", status}});
  }
}

void CallLog::AddMethod(const std::string& name) {
  methods_.emplace(name, std::make_unique<Method>(name, telemetry_));
}

}  // namespace crisp::rpc
