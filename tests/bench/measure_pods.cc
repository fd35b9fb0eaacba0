#include <atomic>
#include <thread>

#include "tests/bench/measure.h"

namespace crisp::bench {
namespace {

constexpr const char* kLifeRpcs[] = {
    "RunPodSandbox",    "CreateContainer",          "StartContainer",
    "StopContainer",    "RemoveContainer",          "StopPodSandbox",
    "RemovePodSandbox", "up: Run + Create + Start", "down: Stop + Remove"};

Status Life(Load* load) {
  const Pod pod = CRISP_TRY(load->BringUp({"sleep", "1000000"}));
  return load->TakeDown(pod);
}

}  // namespace

Status MeasurePods(const Options& options, Report* report) {
  {
    Load warm_up(options);
    CRISP_RETURN_IF_ERROR(Life(&warm_up).Wrap("warm-up pod"));
  }
  Load load(options);
  std::atomic<int> left = options.count;
  std::vector<Status> failures(static_cast<size_t>(options.concurrency));
  std::vector<std::thread> workers;
  const MonoTime start = MonoNow();
  for (Status& failure : failures) {
    workers.emplace_back([&] {
      while (failure.ok() && left.fetch_sub(1) > 0) failure = Life(&load);
    });
  }
  for (std::thread& worker : workers) worker.join();
  const double seconds = std::chrono::duration<double>(MonoNow() - start).count();
  for (const Status& failure : failures) CRISP_RETURN_IF_ERROR(Status(failure));
  const std::string section = Cat("pods, ", options.concurrency, " at a time");
  for (const char* name : kLifeRpcs) report->Add(section, name, load.samples(name));
  report->Add(section, "lives per second", options.count / seconds, "1/s");
  return OkStatus();
}

Status MeasureImages(const Options& options, Report* report) {
  constexpr int kCalls = 500;
  Load load(options);
  const auto list = CRISP_TRY(load.Call("ListImages", v1::ListImagesRequest()));
  for (int i = 1; i < kCalls; ++i) {
    CRISP_RETURN_IF_ERROR(load.Call("ListImages", v1::ListImagesRequest()).status());
    CRISP_RETURN_IF_ERROR(load.Call("ImageFsInfo", v1::ImageFsInfoRequest()).status());
  }
  const std::string section = Cat("at ", list.images_size(), " images");
  for (const char* name : {"ListImages", "ImageFsInfo"}) {
    report->Add(section, name, load.samples(name));
  }
  return OkStatus();
}

Status MeasurePull(const Options& options, Report* report) {
  if (options.pull_image.empty()) return OkStatus();
  Load load(options);
  v1::PullImageRequest pull;
  pull.mutable_image()->set_image(options.pull_image);
  v1::RemoveImageRequest remove;
  remove.mutable_image()->set_image(options.pull_image);
  CRISP_RETURN_IF_ERROR(load.Call("RemoveImage", remove).status());
  for (int i = 0; i < options.count; ++i) {
    CRISP_RETURN_IF_ERROR(load.Call("PullImage", pull).status());
    CRISP_RETURN_IF_ERROR(load.Call("PullImage, present", pull).status());
    CRISP_RETURN_IF_ERROR(load.Call("RemoveImage", remove).status());
  }
  for (const char* name : {"PullImage", "PullImage, present", "RemoveImage"}) {
    report->Add("images", name, load.samples(name));
  }
  return OkStatus();
}

}  // namespace crisp::bench
