#include "server/rpc/call_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "cri-api/api.pb.h"
#include "server/metrics/prometheus_text.h"

namespace crisp::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(CallLogTest, CountsByMethodAndCode) {
  Telemetry telemetry;
  CallLog calls(&telemetry);
  calls.AddMethod("Version");
  calls.Get("Version")->Record(OkStatus(), std::chrono::milliseconds(1));
  calls.Get("Version")->Record(OkStatus(), std::chrono::milliseconds(1));
  calls.Get("Version")->Record(NotFound("x"), std::chrono::milliseconds(1));
  const std::string text = metrics::PrometheusText(telemetry);
  EXPECT_THAT(text, HasSubstr("crisp_rpc_total{method=\"Version\",code=\"OK\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("crisp_rpc_total{method=\"Version\",code=\"NOT_FOUND\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("crisp_rpc_duration_seconds_count{method=\"Version\"} 3\n"));
}

TEST(CallLogTest, LogsRequestsRedactedAtTraceOnly) {
  std::string seen;
  log::SetSink([&](log::Level, std::string_view message, std::span<const log::Field> fields) {
    seen += message;
    for (const log::Field& field : fields) seen += Cat(' ', field.key, '=', field.value);
  });
  Telemetry telemetry;
  Method method("PullImage", &telemetry);
  ::runtime::v1::PullImageRequest request;
  request.mutable_auth()->set_password("SECRET");
  log::SetLevel(log::Level::kDebug);
  method.LogRequest(request);
  EXPECT_EQ(seen, "");
  log::SetLevel(log::Level::kTrace);
  method.LogRequest(request);
  EXPECT_THAT(seen, HasSubstr("method=PullImage"));
  EXPECT_THAT(seen, Not(HasSubstr("SECRET")));
  log::SetLevel(log::Level::kInfo);
  seen.clear();
  method.Record(NotFound("the caller's own mistake"), Duration::zero());
  EXPECT_EQ(seen, "");
  method.Record(Internal("disk"), Duration::zero());
  EXPECT_THAT(seen, HasSubstr("error=INTERNAL: disk"));
  log::SetSink(nullptr);
}

}  // namespace
}  // namespace crisp::rpc
