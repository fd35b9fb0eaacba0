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

// A bundle with the machine's busybox, configured by the runtime's own `spec`.
Status MakeBundle(const std::string& runtime, const std::string& bundle) {
  CRISP_RETURN_IF_ERROR(EnsureDirectory(Cat(bundle, "/rootfs/bin")));
  const std::string busybox = Cat(bundle, "/rootfs/bin/busybox");
  CRISP_RETURN_IF_ERROR(WriteFile(busybox, CRISP_TRY(ReadFile("/bin/busybox", 64u << 20)), 0755));
  for (const char* name : {"sleep", "true"}) {
    if (::symlink("busybox", Cat(bundle, "/rootfs/bin/", name).c_str()) != 0) {
      return Errno("symlink ", name);
    }
  }
  RunOptions spec;
  spec.argv = {runtime, "spec"};
  spec.working_directory = bundle;
  Samples unused;
  CRISP_RETURN_IF_ERROR(RunTimed(std::move(spec), &unused).status());
  const std::string path = Cat(bundle, "/config.json");
  Json config = Json::parse(CRISP_TRY(ReadFile(path)), nullptr, false);
  if (!config.is_object()) return Internal(runtime, " spec wrote no JSON object");
  config["process"]["terminal"] = false;
  config["process"]["args"] = {"sleep", "1000000"};
  config["linux"]["cgroupsPath"] = "/cri-bench-floor";
  return WriteFile(path, config.dump());
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

Status MeasureRuntime(const Options& options, const std::string& dir, Report* report) {
  const std::string bundle = Cat(dir, "/bundle");
  CRISP_RETURN_IF_ERROR(MakeBundle(options.oci_runtime, bundle));
  const std::vector<std::string> base = {options.oci_runtime, "--root", Cat(dir, "/state")};
  RuntimeSamples samples;
  for (int i = 0; i < options.count; ++i) {
    CRISP_RETURN_IF_ERROR(RuntimeLife(base, bundle, &samples));
  }
  report->Add("floor", "runtime create", samples.create);
  report->Add("floor", "runtime start", samples.start);
  report->Add("floor", "runtime exec of true", samples.exec);
  report->Add("floor", "runtime kill", samples.kill);
  report->Add("floor", "runtime delete", samples.remove);
  return OkStatus();
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
    status = MeasureRuntime(options, dir, report).Wrap("floor of the runtime");
  }
  Status removed = RemoveTreeAt(dir);
  return status.ok() ? std::move(removed) : std::move(status);
}

}  // namespace crisp::bench
