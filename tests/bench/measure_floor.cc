// What plugins and runtime take by themselves, on this machine, in this run.
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/core/child_process.h"
#include "base/core/dir_fd.h"
#include "base/core/file.h"
#include "base/ids.h"
#include "base/netns_handle.h"
#include "tests/bench/measure.h"

namespace crisp::bench {
namespace {

using Json = nlohmann::json;

Result<std::string> RunTimed(RunOptions run, Samples* samples) {
  run.deadline = MonoNow() + std::chrono::seconds(60);
  RunOutput output = CRISP_TRY(Timed(samples, [&] { return crisp::Run(run); }));
  if (!output.status.success()) {
    return Internal(run.argv[0], " ended with ", output.status.code, ": ", output.stdout_data,
                    output.stderr_data);
  }
  return std::move(output.stdout_data);
}

Result<std::string> FindPlugin(const std::string& dirs, const std::string& type) {
  for (size_t begin = 0; begin < dirs.size();) {
    const size_t colon = std::min(dirs.find(':', begin), dirs.size());
    std::string path = Cat(dirs.substr(begin, colon - begin), "/", type);
    if (::access(path.c_str(), X_OK) == 0) return path;
    begin = colon + 1;
  }
  return NotFound("no plugin ", type, " in ", dirs);
}

// One ADD and one DEL of every plugin, as a runtime does them (CNI spec 1.0, section 2 and 3).
class PluginFloor {
 public:
  PluginFloor(const Options& options, Json conflist)
      : options_(options), conflist_(std::move(conflist)), id_(Cat("floor", RandomHex(8))) {}

  Status Once(const std::string& netns, Samples* add, Samples* del) {
    Json result;
    const auto& plugins = conflist_["plugins"];
    const MonoTime start = MonoNow();
    for (const Json& plugin : plugins) {
      const std::string text = CRISP_TRY(Call("ADD", plugin, netns, result));
      if (!text.empty()) result = Json::parse(text, nullptr, false);
    }
    add->Add(MonoNow() - start);
    const MonoTime end = MonoNow();
    for (auto plugin = plugins.rbegin(); plugin != plugins.rend(); ++plugin) {
      CRISP_RETURN_IF_ERROR(Call("DEL", *plugin, netns, result).status());
    }
    del->Add(MonoNow() - end);
    return OkStatus();
  }

 private:
  Result<std::string> Call(const std::string& command, Json plugin, const std::string& netns,
                           const Json& previous) {
    const std::string type = plugin.value("type", "");
    plugin["name"] = conflist_.value("name", "");
    plugin["cniVersion"] = conflist_.value("cniVersion", "1.0.0");
    if (!previous.is_null()) plugin["prevResult"] = previous;
    RunOptions run;
    run.argv = {CRISP_TRY(FindPlugin(options_.plugin_dirs, type))};
    run.env = {Cat("CNI_COMMAND=", command),
               Cat("CNI_CONTAINERID=", id_),
               Cat("CNI_NETNS=", netns),
               "CNI_IFNAME=eth0",
               Cat("CNI_PATH=", options_.plugin_dirs),
               "PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
    run.stdin_data = plugin.dump();
    Samples unused;
    return RunTimed(std::move(run), &unused);
  }

  const Options& options_;
  Json conflist_;
  std::string id_;
};

Status MeasurePlugins(const Options& options, const std::string& dir, Report* report) {
  Json conflist = Json::parse(CRISP_TRY(ReadFile(options.conflist)), nullptr, false);
  if (!conflist.is_object() || !conflist.contains("plugins")) {
    return InvalidArgument(options.conflist, ": not a CNI configuration list");
  }
  Samples add;
  Samples del;
  for (int i = 0; i < options.count; ++i) {
    const std::string netns = Cat(dir, "/netns");
    CRISP_RETURN_IF_ERROR(PinNamespaces({{CLONE_NEWNET, netns}}, BringLoopbackUp));
    PluginFloor floor(options, conflist);
    Status once = floor.Once(netns, &add, &del);
    CRISP_RETURN_IF_ERROR(EnsureUnpinned(netns));
    CRISP_RETURN_IF_ERROR(std::move(once));
  }
  report->Add("floor", "CNI plugins, ADD", add);
  report->Add("floor", "CNI plugins, DEL", del);
  return OkStatus();
}

// A root file system with the machine's busybox.
Status MakeRoot(const std::string& bundle) {
  CRISP_RETURN_IF_ERROR(EnsureDirectory(Cat(bundle, "/rootfs/bin")));
  const std::string busybox = Cat(bundle, "/rootfs/bin/busybox");
  CRISP_RETURN_IF_ERROR(WriteFile(busybox, CRISP_TRY(ReadFile("/bin/busybox", 64u << 20)), 0755));
  for (const char* name : {"sleep", "true"}) {
    if (::symlink("busybox", Cat(bundle, "/rootfs/bin/", name).c_str()) != 0) {
      return Errno("symlink ", name);
    }
  }
  return OkStatus();
}

// The runtime's own `spec`.
Result<Json> DefaultConfig(const std::string& runtime, const std::string& bundle) {
  RunOptions spec;
  spec.argv = {runtime, "spec"};
  spec.working_directory = bundle;
  Samples unused;
  CRISP_RETURN_IF_ERROR(RunTimed(std::move(spec), &unused).status());
  const std::string path = Cat(bundle, "/config.json");
  Json config = Json::parse(CRISP_TRY(ReadFile(path)), nullptr, false);
  if (!config.is_object()) return Internal(runtime, " spec wrote no JSON object");
  if (::unlink(path.c_str()) != 0) return Errno("unlink ", path);
  config["process"]["terminal"] = false;
  return config;
}

// The configuration that the endpoint wrote for a container of this bench, as CRI-O, containerd and
// crisp tell it in a verbose ContainerStatus: it joins the pod's namespaces and has a container's
// mounts, which takes a runtime longer than its `spec` does. Null when the endpoint does not tell.
Result<Json> ContainerConfig(Load& load, const Pod& pod) {
  v1::ContainerStatusRequest request;
  request.set_container_id(pod.container);
  request.set_verbose(true);
  const auto status = CRISP_TRY(load.client().Call(request));
  const auto info = status.info().find("info");
  if (info == status.info().end()) return Json();
  const Json told = Json::parse(info->second, nullptr, false);
  if (!told.is_object() || !told.contains("runtimeSpec")) return Json();
  Json config = told["runtimeSpec"];
  if (!config.is_object() || !config.contains("process")) return Json();
  config["root"]["path"] = "rootfs";
  config.erase("hooks");  // the endpoint's own work
  return config;
}

struct RuntimeSamples {
  Samples create;
  Samples start;
  Samples exec;
  Samples kill;
  Samples remove;
};

Status RuntimeLife(const std::vector<std::string>& base, const std::string& bundle,
                   RuntimeSamples* samples) {
  const std::string id = Cat("floor-", RandomHex(8));
  const auto run = [&](std::vector<std::string> arguments, Samples* to) {
    RunOptions options;
    options.argv = base;
    options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
    return RunTimed(std::move(options), to).status();
  };
  CRISP_RETURN_IF_ERROR(run({"create", "--bundle", bundle, id}, &samples->create));
  CRISP_RETURN_IF_ERROR(run({"start", id}, &samples->start));
  CRISP_RETURN_IF_ERROR(run({"exec", id, "true"}, &samples->exec));
  CRISP_RETURN_IF_ERROR(run({"kill", id, "KILL"}, &samples->kill));
  return run({"delete", "--force", id}, &samples->remove);
}

// `what` is put behind the rows' names.
Status MeasureRuntime(const Options& options, const std::string& dir, Json config,
                      const std::string& what, Report* report) {
  const std::string bundle = Cat(dir, "/bundle");
  config["process"]["args"] = {"sleep", "1000000"};
  config["linux"]["cgroupsPath"] = "/cri-bench-floor";
  CRISP_RETURN_IF_ERROR(WriteFile(Cat(bundle, "/config.json"), config.dump()));
  const std::vector<std::string> base = {options.oci_runtime, "--root", Cat(dir, "/state")};
  RuntimeSamples samples;
  for (int i = 0; i < options.count; ++i) {
    CRISP_RETURN_IF_ERROR(RuntimeLife(base, bundle, &samples));
  }
  report->Add("floor", Cat("runtime create", what), samples.create);
  report->Add("floor", Cat("runtime start", what), samples.start);
  report->Add("floor", Cat("runtime exec of true", what), samples.exec);
  report->Add("floor", Cat("runtime kill", what), samples.kill);
  report->Add("floor", Cat("runtime delete", what), samples.remove);
  return OkStatus();
}

// With the runtime's `spec`, and with what the endpoint has it do for a container.
Status MeasureRuntimes(const Options& options, const std::string& dir, Report* report) {
  const std::string bundle = Cat(dir, "/bundle");
  CRISP_RETURN_IF_ERROR(MakeRoot(bundle));
  const Json plain = CRISP_TRY(DefaultConfig(options.oci_runtime, bundle));
  CRISP_RETURN_IF_ERROR(MeasureRuntime(options, dir, plain, ", plain", report));
  Load load(options);
  const Pod pod = CRISP_TRY(load.BringUp({"sleep", "1000000"}));
  const Json own = CRISP_TRY(ContainerConfig(load, pod));
  if (own.is_null()) return OkStatus();
  return MeasureRuntime(options, dir, own, "", report);
}

}  // namespace

Status MeasureFloors(const Options& options, Report* report) {
  const std::string dir = Cat("/tmp/cri_bench-floor-", RandomHex(4));
  CRISP_RETURN_IF_ERROR(EnsureDirectory(dir));
  Status status;
  if (!options.conflist.empty()) {
    status = MeasurePlugins(options, dir, report).Wrap("floor of the plugins");
  }
  if (status.ok() && !options.oci_runtime.empty()) {
    status = MeasureRuntimes(options, dir, report).Wrap("floor of the runtime");
  }
  Status removed = RemoveTreeAt(dir);
  return status.ok() ? std::move(removed) : std::move(status);
}

}  // namespace crisp::bench
