// Census: what crisp has made outside of itself, counted.
//
// What:     mounts, pinned namespaces, control groups, systemd units (where the driver is systemd),
//           processes, network links and addresses, address reservations, port-mapping rules,
//           directories, database rows, and what is in the image store without an image. A test
//           takes one before and one after; they must be equal, or the difference names what was
//           left.
// Threads:  values. Take reads the kernel and the daemon's directories.
#ifndef CRISP_TESTS_SUPPORT_CENSUS_H_
#define CRISP_TESTS_SUPPORT_CENSUS_H_

#include <map>
#include <string>
#include <vector>

#include "tests/support/test_daemon.h"

namespace crisp::test {

class Census {
 public:
  static Census Take(const TestDaemon& daemon);

  bool operator==(const Census& other) const { return items_ == other.items_; }
  // One line per kind and entry that is more ("+") or fewer ("-") here than in `before`.
  std::string DifferenceFrom(const Census& before) const;
  // "mounts 31, cgroups 2, ...": for the log of a run.
  std::string Counts() const;

 private:
  // kind -> sorted entries. Entries carry no pids, so that a restarted daemon is the same.
  std::map<std::string, std::vector<std::string>> items_;
};

// Takes a census until it equals `before` or five seconds have passed (monitors and plugins end a
// moment after the answer); the last difference, empty when equal.
std::string AwaitCensus(const TestDaemon& daemon, const Census& before);

}  // namespace crisp::test

#endif  // CRISP_TESTS_SUPPORT_CENSUS_H_
