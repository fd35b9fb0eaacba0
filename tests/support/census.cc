#include "tests/support/census.h"

#include <dirent.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>

#include "base/cgroup_dir.h"
#include "base/core/file.h"
#include "base/core/process_stat.h"
#include "base/mount_table.h"
#include "tests/support/patience.h"
#include "tests/support/surroundings.h"

namespace crisp::test {
namespace {

using Entries = std::vector<std::string>;

Entries Lines(const std::string& text) {
  Entries lines;
  size_t begin = 0;
  for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    lines.push_back(text.substr(begin, end - begin));
  }
  return lines;
}

Entries Names(const std::string& path) {
  Entries names;
  DIR* dir = ::opendir(path.c_str());
  if (dir == nullptr) return names;
  while (const dirent* entry = ::readdir(dir)) {  // NOLINT(concurrency-mt-unsafe): own stream
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  ::closedir(dir);
  return names;
}

// Mount points of this mount namespace.
Entries Mounts() {
  Entries mounts;
  for (const MountEntry& entry : ReadMountTable().value()) mounts.push_back(entry.point);
  return mounts;
}

// Of process `pid`, or 0.
pid_t ParentOf(pid_t pid) {
  const Result<ProcessStat> stat = ReadProcessStat(pid);
  return stat.ok() ? stat->parent : 0;
}

bool BelongsToSurroundings(pid_t pid) {
  if (SurroundingsInit() == 1) return true;  // the PID namespace is ours
  pid_t ancestor = ParentOf(pid);
  while (ancestor > 1 && ancestor != SurroundingsInit()) ancestor = ParentOf(ancestor);
  return ancestor == SurroundingsInit();
}

// Processes of these surroundings except their init and this one, by their first argument.
Entries Processes() {
  const std::string init = std::to_string(SurroundingsInit());
  Entries processes;
  for (const std::string& name : Names("/proc")) {
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (name == init || name == std::to_string(::getpid())) continue;
    if (!BelongsToSurroundings(std::atoi(name.c_str()))) continue;
    Result<std::string> line = ReadFile(Cat("/proc/", name, "/cmdline"));
    if (!line.ok()) continue;
    std::string program = line->c_str();
    if (program.empty()) program = "(zombie)";
    processes.push_back(program);
  }
  return processes;
}

// What systemd does in its own corners is no business of a test.
bool IsSystems(const std::string& top) {
  if (!UsesSystemd()) return false;
  for (const char* end : {".mount", ".automount", ".swap", ".scope"}) {
    if (top.ends_with(end) && !top.starts_with("crisp")) return true;
  }
  return top == "system.slice" || top == "user.slice" || top == "machine.slice";
}

void AddCgroups(const std::string& dir, bool is_root, Entries* out) {
  for (const std::string& name : Names(dir)) {
    struct stat info {};
    const std::string path = Cat(dir, "/", name);
    if (::lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) continue;
    if (is_root && IsSystems(name)) continue;
    out->push_back(path);
    AddCgroups(path, /*is_root=*/false, out);
  }
}

Entries Cgroups() {
  Entries groups;
  const Result<CgroupLayout> layout = CgroupLayout::Detect();
  if (!layout.ok()) return {layout.status().ToString()};
  Entries mounts;
  for (const auto& [controller, mount] : layout->mounts) mounts.push_back(mount);
  std::sort(mounts.begin(), mounts.end());
  mounts.erase(std::unique(mounts.begin(), mounts.end()), mounts.end());
  for (const std::string& mount : mounts) AddCgroups(mount, /*is_root=*/true, &groups);
  return groups;
}

// Units that the runtimes or crisp have made; failed ones too.
Entries SystemdUnits() {
  if (!UsesSystemd()) return {};
  RunOptions run;
  run.argv = {FindProgram("systemctl"),
              "list-units",
              "--all",
              "--plain",
              "--no-legend",
              "crisp*",
              "kubepods*"};
  run.deadline = MonoNow() + Patient(std::chrono::seconds(5));
  const Result<RunOutput> output = Run(run);
  if (!output.ok()) return {output.status().ToString()};
  return Lines(output->stdout_data);
}

// Links and their addresses, except link-local IPv6, which comes and goes by itself.
Entries Addresses() {
  Entries addresses;
  for (const std::string& name : Names("/proc/sys/net/ipv4/conf")) {
    addresses.push_back(Cat("link ", name));
  }
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return addresses;
  for (const ifaddrs* each = all; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
    char text[NI_MAXHOST] = "";
    ::getnameinfo(each->ifa_addr, sizeof(sockaddr_in), text, sizeof(text), nullptr, 0,
                  NI_NUMERICHOST);
    addresses.push_back(Cat(each->ifa_name, " ", text));
  }
  ::freeifaddrs(all);
  return addresses;
}

Entries Reservations(const std::string& dir) {
  Entries reservations;
  for (const std::string& network : Names(dir)) {
    for (const std::string& name : Names(Cat(dir, "/", network))) {
      if (name != "lock" && !name.starts_with("last_reserved_ip")) reservations.push_back(name);
    }
  }
  return reservations;
}

// The portmap and masquerade chains of single pods.
Entries NatRules() {
  RunOptions run;
  run.argv = {FindProgram("iptables-save"), "-t", "nat"};
  if (run.argv[0].empty()) return {};
  run.deadline = MonoNow() + Patient(std::chrono::seconds(5));
  const Result<RunOutput> output = Run(run);
  if (!output.ok()) return {};
  Entries rules;
  for (const std::string& line : Lines(output->stdout_data)) {
    if (line.starts_with("-A CNI-") || line.starts_with(":CNI-DN-")) rules.push_back(line);
  }
  // Rules that portmap makes once for all pods.
  std::erase_if(rules, [](const std::string& line) {
    return line.starts_with("-A CNI-HOSTPORT-SETMARK") || line.starts_with("-A CNI-HOSTPORT-MASQ");
  });
  return rules;
}

Entries Directories(const TestDaemon& daemon) {
  Entries found;
  for (const std::string& dir :
       {Cat(daemon.root(), "/containers"), Cat(daemon.root(), "/cni"), Cat(daemon.state(), "/ns"),
        Cat(daemon.state(), "/pods"), Cat(daemon.state(), "/containers")}) {
    for (const std::string& name : Names(dir)) found.push_back(Cat(dir, "/", name));
  }
  return found;
}

Entries Query(sqlite3* db, const std::string& sql) {
  Entries rows;
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) {
    return {Cat("error: ", sqlite3_errmsg(db))};
  }
  while (sqlite3_step(statement) == SQLITE_ROW) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    rows.emplace_back(text == nullptr ? "" : text);
  }
  sqlite3_finalize(statement);
  return rows;
}

constexpr size_t kMostOfDatabase = 1u << 30;

struct CloseDatabase {
  void operator()(sqlite3* db) const { sqlite3_close(db); }
};
using DatabaseCopy = std::unique_ptr<sqlite3, CloseDatabase>;

// A running daemon holds its databases exclusively, so a copy is read, with the part that is still
// in the write-ahead log; the daemon is idle meanwhile.
Result<DatabaseCopy> OpenCopy(const TestDaemon& daemon, const std::string& name) {
  const std::string copy = daemon.Path("census.db");
  ::unlink((copy + "-shm").c_str());
  for (const char* suffix : {"", "-wal"}) {
    // Rows can be large (environments), and the log many times as large as they.
    Result<std::string> bytes = ReadFile(Cat(daemon.root(), "/", name, suffix), kMostOfDatabase);
    if (bytes.status().code() == Code::kNotFound) bytes = std::string();
    CRISP_RETURN_IF_ERROR(bytes.status());
    CRISP_RETURN_IF_ERROR(WriteFile(copy + suffix, *bytes));
  }
  sqlite3* db = nullptr;
  const int opened = sqlite3_open_v2(copy.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr);
  DatabaseCopy owner(db);
  if (opened != SQLITE_OK) return Internal("open the copy of ", name);
  return owner;
}

// "table: rows" of the pod database.
Entries DatabaseRows(const TestDaemon& daemon) {
  const Result<DatabaseCopy> db = OpenCopy(daemon, "pods.db");
  if (!db.ok()) return {db.status().ToString()};
  Entries counts;
  for (const std::string& table :
       Query(db->get(), "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")) {
    for (const std::string& n : Query(db->get(), Cat("SELECT count(*) FROM \"", table, "\""))) {
      counts.push_back(Cat(table, ": ", n));
    }
  }
  return counts;
}

// What is in the image store and belongs to no image. Images themselves may come and go in a test.
Entries ImageStrays(const TestDaemon& daemon) {
  const Result<DatabaseCopy> db = OpenCopy(daemon, "images.db");
  if (!db.ok()) return {db.status().ToString()};
  constexpr char kUsed[] = "layers WHERE key IN (SELECT layer_key FROM image_layers)";
  constexpr char kUnused[] = "layers WHERE key NOT IN (SELECT layer_key FROM image_layers)";
  Entries strays = Query(db->get(), Cat("SELECT 'row of layer ' || key FROM ", kUnused));
  std::set<std::string> known = {"tmp", "empty", "lost+found"};
  for (const std::string& key : Query(db->get(), Cat("SELECT key FROM ", kUsed))) {
    known.insert(key);
  }
  for (const std::string& id : Query(db->get(), "SELECT id FROM images")) {
    const std::string name = id.substr(id.find(':') + 1);
    known.insert({name, name + ".damaged"});
  }
  for (const char* dir : {"layers", "layers/tmp", "images", "records"}) {
    for (const std::string& name : Names(Cat(daemon.root(), "/", dir))) {
      const bool quarantined = name.starts_with("q-");  // goes when the node restarts
      if (!known.contains(name) && !quarantined) strays.push_back(Cat(dir, "/", name));
    }
  }
  return strays;
}

}  // namespace

Census Census::Take(const TestDaemon& daemon) {
  Census census;
  census.items_["mounts"] = Mounts();
  census.items_["processes"] = Processes();
  census.items_["cgroups"] = Cgroups();
  census.items_["systemd units"] = SystemdUnits();
  census.items_["addresses"] = Addresses();
  census.items_["reservations"] = Reservations(daemon.address_dir());
  census.items_["nat rules"] = NatRules();
  census.items_["directories"] = Directories(daemon);
  census.items_["database rows"] = DatabaseRows(daemon);
  census.items_["image strays"] = ImageStrays(daemon);
  for (auto& [kind, entries] : census.items_) std::sort(entries.begin(), entries.end());
  return census;
}

std::string Census::DifferenceFrom(const Census& before) const {
  std::string text;
  const auto report = [&text](const std::string& kind, char sign, const Entries& entries) {
    for (const std::string& entry : entries) text += Cat(kind, " ", sign, " ", entry, "\n");
  };
  for (const auto& [kind, now] : items_) {
    const Entries& then = before.items_.at(kind);
    Entries more;
    Entries fewer;
    std::set_difference(now.begin(), now.end(), then.begin(), then.end(), std::back_inserter(more));
    std::set_difference(then.begin(), then.end(), now.begin(), now.end(),
                        std::back_inserter(fewer));
    report(kind, '+', more);
    report(kind, '-', fewer);
  }
  return text;
}

std::string Census::Counts() const {
  std::string text;
  for (const auto& [kind, entries] : items_) {
    text += Cat(text.empty() ? "" : ", ", kind, " ", entries.size());
  }
  return text;
}

std::string AwaitCensus(const TestDaemon& daemon, const Census& before) {
  const MonoTime deadline = MonoNow() + Patient(std::chrono::seconds(5));
  for (;;) {
    const Census now = Census::Take(daemon);
    if (now == before) return "";
    if (MonoNow() > deadline) return now.DifferenceFrom(before);
    ::poll(nullptr, 0, 20);
  }
}

}  // namespace crisp::test
