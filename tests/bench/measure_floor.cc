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

  Status Add(const std::string& netns, Samples* samples) {
    const MonoTime start = MonoNow();
    for (const Json& plugin : conflist_["plugins"]) {
      const std::string text = CRISP_TRY(Call("ADD", plugin, netns));
      if (!text.empty()) result_ = Json::parse(text, nullptr, false);
    }
    samples->Add(MonoNow() - start);
    return OkStatus();
  }

  Status Del(const std::string& netns, Samples* samples) {
    const auto& plugins = conflist_["plugins"];
    const MonoTime start = MonoNow();
    for (auto plugin = plugins.rbegin(); plugin != plugins.rend(); ++plugin) {
      CRISP_RETURN_IF_ERROR(Call("DEL", *plugin, netns).status());
    }
    samples->Add(MonoNow() - start);
    return OkStatus();
  }

 private:
  Result<std::string> Call(const std::string& command, Json plugin, const std::string& netns) {
    const std::string type = plugin.value("type", "");
    plugin["name"] = conflist_.value("name", "");
    plugin["cniVersion"] = conflist_.value("cniVersion", "1.0.0");
    if (!result_.is_null()) plugin["prevResult"] = result_;
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
  const Json conflist_;
  const std::string id_;
  Json result_;  // of the last plugin
};

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
  const auto live = [&]() -> Status {
    CRISP_RETURN_IF_ERROR(run({"create", "--bundle", bundle, id}, &samples->create));
    CRISP_RETURN_IF_ERROR(run({"start", id}, &samples->start));
    CRISP_RETURN_IF_ERROR(run({"exec", id, "true"}, &samples->exec));
    return run({"kill", id, "KILL"}, &samples->kill);
  };
  Status life = live();
  Status removed = run({"delete", "--force", id}, &samples->remove);  // also what failed half way
  return life.ok() ? std::move(removed) : std::move(life);
}

// The configuration of the lives: the endpoint's own when it tells it, else the runtime's `spec`.
// The report says which: the latter is less work, and its floors are not to be compared.
Result<Json> FloorConfig(const Options& options, Load& load, const std::string& bundle,
                         Report* report) {
  const Pod pod = CRISP_TRY(load.BringUp({"sleep", "1000000"}));
  Json config = CRISP_TRY(ContainerConfig(load, pod));
  const bool told = !config.is_null();
  report->AddFact("spec of the floor", told ? "a container's" : "the runtime's own");
  if (!told) config = CRISP_TRY(DefaultConfig(options.oci_runtime, bundle));
  config["process"]["args"] = {"sleep", "1000000"};
  config["linux"]["cgroupsPath"] = "/cri-bench-floor";
  return config;
}

// Lives of a pod by hand, in a pod's order: a runtime that comes after plugins finds other caches
// than one that comes after itself.
Status MeasureLives(const Options& options, const std::string& dir, Report* report) {
  const Json conflist = Json::parse(CRISP_TRY(ReadFile(options.conflist)), nullptr, false);
  if (!conflist.is_object() || !conflist.contains("plugins")) {
    return InvalidArgument(options.conflist, ": not a CNI configuration list");
  }
  const std::string bundle = Cat(dir, "/bundle");
  CRISP_RETURN_IF_ERROR(MakeRoot(bundle));
  Load load(options);  // its pod's namespaces and files are what the configuration names
  const Json config = CRISP_TRY(FloorConfig(options, load, bundle, report));
  CRISP_RETURN_IF_ERROR(WriteFile(Cat(bundle, "/config.json"), config.dump()));
  const std::vector<std::string> runtime = {options.oci_runtime, "--root", Cat(dir, "/state")};
  const std::string netns = Cat(dir, "/netns");
  Samples add;
  Samples del;
  RuntimeSamples samples;
  for (int i = 0; i < options.count; ++i) {
    CRISP_RETURN_IF_ERROR(PinNamespaces({{CLONE_NEWNET, netns}}, BringLoopbackUp));
    PluginFloor plugins(options, conflist);
    Status life = plugins.Add(netns, &add);
    if (life.ok()) life = RuntimeLife(runtime, bundle, &samples);
    Status removed = plugins.Del(netns, &del);
    CRISP_RETURN_IF_ERROR(EnsureUnpinned(netns));
    CRISP_RETURN_IF_ERROR(std::move(life));
    CRISP_RETURN_IF_ERROR(std::move(removed));
  }
  report->Add("floor", "CNI plugins, ADD", add);
  report->Add("floor", "runtime create", samples.create);
  report->Add("floor", "runtime start", samples.start);
  report->Add("floor", "runtime exec of true", samples.exec);
  report->Add("floor", "runtime kill", samples.kill);
  report->Add("floor", "runtime delete", samples.remove);
  report->Add("floor", "CNI plugins, DEL", del);
  return OkStatus();
}

}  // namespace

Status MeasureFloors(const Options& options, Report* report) {
  if (options.conflist.empty() || options.oci_runtime.empty()) return OkStatus();
  const std::string dir = Cat("/tmp/cri_bench-floor-", RandomHex(4));
  CRISP_RETURN_IF_ERROR(EnsureDirectory(dir));
  Status status = MeasureLives(options, dir, report).Wrap("floor");
  Status removed = RemoveTreeAt(dir);
  return status.ok() ? std::move(removed) : std::move(status);
}

}  // namespace crisp::bench
