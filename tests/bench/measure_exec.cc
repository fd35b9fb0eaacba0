#include "tests/bench/measure.h"
#include "tests/support/stream_client.h"

namespace crisp::bench {
namespace {

constexpr int kStream_mib = 2048;

// The Exec call and all that a client does with its URL; no stdin.
Status StreamedExec(Load* load, const Pod& pod, std::vector<std::string> command,
                    uint64_t* received) {
  v1::ExecRequest request;
  request.set_container_id(pod.container);
  for (std::string& word : command) request.add_cmd(std::move(word));
  request.set_stdout(true);
  request.set_stderr(true);
  const std::string url = CRISP_TRY(load->client().Call(request)).url();
  test::StdioClient exec(url, {});
  if (!exec.ok()) return Internal("exec through ", url);
  const bool ended = exec.connection().RunUntil(
      [&] {
        *received += exec.TakeOut().size();
        return !exec.status().empty();
      },
      std::chrono::minutes(5));
  if (!ended || exec.exit_code() != 0) return Internal("streamed exec: ", exec.status());
  return OkStatus();
}

Status MeasureStream(const Options& options, Load* load, const Pod& pod, Report* report) {
  uint64_t received = 0;
  Samples samples;
  for (int i = 0; i < options.count * 5; ++i) {
    CRISP_RETURN_IF_ERROR(
        Timed(&samples, [&] { return StreamedExec(load, pod, {"true"}, &received); }));
  }
  report->Add("exec", "Exec of true, streamed", samples);
  const std::string mib = Cat(kStream_mib);
  Samples large;
  CRISP_RETURN_IF_ERROR(Timed(&large, [&] {
    return StreamedExec(load, pod, {"dd", "if=/dev/zero", "bs=1M", "count=" + mib}, &received);
  }));
  if (received != static_cast<uint64_t>(kStream_mib) << 20) {
    return Internal("streamed exec: ", received, " bytes of ", mib, " MiB");
  }
  report->Add("exec", "stdout, streamed", static_cast<double>(received) / 1e3 / large.MeanMs(),
              "MB/s");
  return OkStatus();
}

}  // namespace

Status MeasureExec(const Options& options, Report* report) {
  Load load(options);
  const Pod pod = CRISP_TRY(load.BringUp({"sleep", "1000000"}));
  v1::ExecSyncRequest request;
  request.set_container_id(pod.container);
  request.add_cmd("true");
  request.set_timeout(30);
  for (int i = 0; i < options.count * 5; ++i) {
    const auto response = CRISP_TRY(load.Call("ExecSync of true", request));
    if (response.exit_code() != 0) return Internal("exec of true: exit ", response.exit_code());
  }
  report->Add("exec", "ExecSync of true", load.samples("ExecSync of true"));
  CRISP_RETURN_IF_ERROR(MeasureStream(options, &load, pod, report));
  return load.TakeDown(pod);
}

}  // namespace crisp::bench
