"""What tests/v2/run starts in the machine: test programs, one driver and runtime after the other.

A program runs many tests; who hangs or dies takes only one of them along, as the rest is started
again. Each test has a limit of its own.
"""
import argparse
import fnmatch
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

TEST_LIMIT_S = 60  # as ctest has it, before the factor
EVERYWHERE = "it_*"  # programs that depend on the driver
STEPS = "step_fault_test"
FAULTS = [STEPS, "operation_fault_test", "program_fault_test", "monitor_fault_test",
          "hostile_container_test", "hostile_node_test", "load_test"]
ONCE = ["oci_runtime_integration_test", "monitor_test", "network_integration_test"]
LINE = re.compile(r"\[ *(RUN|OK|FAILED|SKIPPED) *\] ([^\s,]+)")


def say(*words):
    print(*words, flush=True)


def list_tests(program):
    """Full names, as --gtest_filter wants them."""
    text = subprocess.run([program, "--gtest_list_tests"], stdout=subprocess.PIPE, check=True,
                          text=True).stdout
    suite, names = "", []
    for line in text.splitlines():
        name = line.split("#")[0].strip()
        if line.startswith("  "):
            names.append(suite + name)
        elif name.endswith("."):
            suite = name
    return names


def sample(names):
    """Of the fault matrix: of each step one fault, taking turns ("step_fault" names, in order)."""
    steps = {}
    for name in names:
        steps.setdefault(name.rsplit("_", 1)[0], []).append(name)
    return [faults[i % len(faults)] for i, faults in enumerate(steps.values())]


class Run:
    """One program with one driver and runtime: {test: (result, seconds)}."""

    def __init__(self, program, label, environment, options):
        self.program, self.label, self.options = program, label, options
        self.environment = {**os.environ, **environment, "CRISP_TEST_CACHE": "/var/tmp/crisp-tests",
                            "CRISP_TEST_TIME_FACTOR": str(options.factor)}
        self.results = {}

    def run(self, names):
        while names:
            before = len(self.results)
            self.run_some(names)
            names = [name for name in names if name not in self.results]
            if names and len(self.results) == before:  # it does not even start one
                for name in names:
                    self.note(name, "FAILED", 0, "the program ended before this test\n")
                return

    def note(self, name, result, seconds, output):
        self.results[name] = (result, seconds)
        say("%-7s %6.1fs  %s  %s" % (result, seconds, self.label, name))
        if result != "OK":
            file = re.sub(r"[^\w.]+", "_", "%s_%s" % (self.label, name)) + ".log"
            with open(os.path.join(self.options.results, file), "w") as log:
                log.write(output)

    def run_some(self, names):
        child = subprocess.Popen([self.program, "--gtest_filter=" + ":".join(names)],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, errors="replace",
                                 env=self.environment, start_new_session=True)
        timer, current, start, output = None, None, 0, []
        for line in child.stdout:
            match = LINE.match(line)
            what, name = match.groups() if match else ("", "")
            if what == "RUN":
                current, start, output = name, time.monotonic(), []
                timer = threading.Timer(TEST_LIMIT_S * self.options.factor,
                                        os.killpg, (child.pid, signal.SIGKILL))
                timer.start()
            output.append(line)
            if current and name == current and what in ("OK", "FAILED", "SKIPPED"):
                timer.cancel()
                self.note(current, what, time.monotonic() - start, "".join(output))
                current = None
        status = child.wait()
        if current:
            timer.cancel()
            output.append("the program ended with %d: a crash, or this test's limit\n" % status)
            self.note(current, "FAILED", time.monotonic() - start, "".join(output))


def plan(options):
    """(driver, runtime, program, tests) in the order of running."""
    available = sorted(os.listdir(options.bin))
    wanted = options.programs.split(",") if options.programs else available
    drivers, runtimes = options.drivers.split(","), options.runtimes.split(",")
    for driver in drivers:
        for runtime in runtimes:
            others = {"crun", "runc"} - {runtime}
            for name in available:
                if name not in wanted:
                    continue
                once = name in ONCE and driver == drivers[0]
                if not once and name not in FAULTS and not fnmatch.fnmatch(name, EVERYWHERE):
                    continue
                program = os.path.join(options.bin, name)
                tests = list_tests(program)
                if name in FAULTS and options.faults == "none":
                    tests = []
                elif name == STEPS and options.faults == "sample":
                    tests = sample(tests)
                elif name not in FAULTS:
                    tests = [t for t in tests if not any(t.endswith(other) for other in others) and
                             (t.endswith(runtime) or runtime == runtimes[0])]
                tests = [t for t in tests if fnmatch.fnmatch(t, options.filter)]
                if tests:
                    yield driver, runtime, program, tests


def load_selinux():
    """Where the kernel runs SELinux without a policy: loads the one beside this file, enforcing."""
    place = "/sys/fs/selinux"
    with open("/proc/filesystems") as filesystems:
        if not re.search(r"\bselinuxfs$", filesystems.read(), re.M):
            return
    if not os.path.exists(place + "/load"):
        subprocess.run(["mount", "-t", "selinuxfs", "selinuxfs", place], check=True)
    with open("/proc/self/attr/current") as label:
        if ":" in label.read():  # it has a policy
            return
    policy = os.path.join(os.path.dirname(os.path.abspath(__file__)), "selinux.cil")
    names = ["c%d" % i for i in range(1024)]
    with tempfile.TemporaryDirectory() as scratch:
        categories, binary = os.path.join(scratch, "categories.cil"), os.path.join(scratch, "policy")
        with open(categories, "w") as out:
            out.write("".join("(category %s)\n" % name for name in names))
            out.write("(categoryorder (%s))\n" % " ".join(names))
        subprocess.run(["secilc", "-o", binary, "-f", "/dev/null", policy, categories], check=True)
        with open(binary, "rb") as whole, open(place + "/load", "wb", buffering=0) as load:
            load.write(whole.read())
    with open(place + "/enforce", "w") as enforce:
        enforce.write("1")
    say("SELinux: enforcing", policy)


def versions():
    for command in ("uname -r", "systemctl --version", "runc --version", "crun --version",
                    "systemctl is-system-running"):
        done = subprocess.run(command.split(), stdout=subprocess.PIPE, text=True, check=False)
        yield done.stdout.split("\n")[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--results", required=True)
    parser.add_argument("--drivers", default="cgroupfs,systemd")
    parser.add_argument("--runtimes", default="crun,runc")
    parser.add_argument("--programs", default="")
    parser.add_argument("--filter", default="*")
    parser.add_argument("--faults", default="sample", choices=["none", "sample", "all"])
    parser.add_argument("--factor", type=float, default=12)
    options = parser.parse_args()
    say("; ".join(versions()))
    load_selinux()
    runs = []
    for driver, runtime, program, tests in plan(options):
        run = Run(program, "%s/%s" % (driver, runtime),
                  {"CRISP_TEST_CGROUP_DRIVER": driver, "CRISP_FAULT_RUNTIME": runtime,
                   **({"CRISP_FAULT_ALL": "1"} if options.faults == "all" else {})}, options)
        run.run(tests)
        runs.append(run)
    say("\n%-16s %7s %7s %8s %9s" % ("driver/runtime", "passed", "failed", "skipped", "time"))
    for label in dict.fromkeys(run.label for run in runs):
        results = [r for run in runs if run.label == label for r in run.results.values()]
        counts = [sum(1 for result, _ in results if result == what)
                  for what in ("OK", "FAILED", "SKIPPED")]
        say("%-16s %7d %7d %8d %8.0fs" % (label, *counts, sum(s for _, s in results)))
    for what in ("FAILED", "SKIPPED"):
        names = ["%s  %s" % (run.label, name) for run in runs
                 for name, (result, _) in run.results.items() if result == what]
        if names:
            say("\n%s (output in %s):" % (what.lower(), options.results), *("\n  " + name for name in names))
    return 1 if any(r == "FAILED" for run in runs for r, _ in run.results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
