"""The rules themselves: functions from (path, text) to findings. No I/O except check_readmes."""
import pathlib
import re

import cxx

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60
MAX_README_LINES = 150

RULES = {
    "layering": "a room includes only rooms that DESIGN section 2 allows",
    "third-party": "a third-party header is included only where the table allows it",
    "file-size": f"a source has at most {MAX_FILE_LINES} lines",
    "function-size": f"a function has at most {MAX_FUNCTION_LINES} lines",
    "banned": "no system/popen/fork, sprintf, strcpy, gmtime, detach, iostream in library code...",
    "guard": "a header's guard is CRISP_<PATH>_H_",
    "readme": f"each room has a README.md of at most {MAX_README_LINES} lines",
    "names": "no file speaks of where or by whom it was written",
    "format": "clang-format 14 changes nothing",
}

ROOMS = ("base/core", "base", "cri-api", "conmon", "oci", "image", "network", "pod", "server")

# Whom a room may include besides itself.
ALLOWED = {
    "base/core": set(),
    "base": {"base/core"},
    "cri-api": set(),
    "conmon": {"base/core"},
    "oci": {"base/core", "base"},
    "image": {"base/core", "base"},
    "network": {"base/core", "base"},
    "pod": {"base/core", "base", "image", "network", "oci", "cri-api"},
    "server": {"base/core", "base", "image", "network", "oci", "pod", "cri-api"},
}
# Single headers beyond the table.
ALLOWED_HEADERS = {("oci", "conmon/protocol.h"), ("pod", "cri-api/api.pb.h")}
FORBIDDEN_HEADERS = {("pod", "cri-api/api.grpc.pb.h")}

# Header prefix -> rooms that may include it. Everything else in <> must be of the C or C++ library
# or of the kernel.
THIRD_PARTY = {
    "fmt/": {"base", "server"},
    "google/protobuf/": {"pod", "server"},
    "grpc": {"server"},
    "nlohmann/": {"oci", "image", "network", "pod", "server"},
    "seccomp.h": {"oci"},
    "systemd/": {"oci", "server"},
    "curl/": {"image"},
    "openssl/": {"image", "server"},
    "isa-l": {"image"},
    "zlib.h": {"image", "server"},
    "zstd": {"image"},
    "archive": {"image"},
    "sqlite3.h": {"base", "image"},
    "toml": {"image"},
    "gpgme": {"image"},
    "libmnl/": {"network"},
    "libnftnl/": {"network"},
    "yaml-cpp/": {"server"},
    "spdlog/": {"server"},
    "prometheus/": {"server"},
    "boost/": {"server"},
    "absl/": set(),
}

BANNED = [
    (r"\bsystem\s*\(", "system(): start programs with ChildProcess", ()),
    (r"\bpopen\s*\(", "popen(): start programs with ChildProcess", ()),
    (r"\b(v?fork|clone3?)\s*\(", "fork(): start programs with ChildProcess",
     ("base/core/child_process", "base/core/fork_into_cgroup", "conmon/", "tests/")),
    (r"\bv?sprintf\s*\(", "sprintf(): use Cat or snprintf", ()),
    (r"\bstr(cpy|cat)\s*\(", "strcpy()/strcat(): use std::string", ()),
    (r"\b(gmtime|localtime|ctime|asctime)\s*\(", "not thread-safe: use the _r form", ()),
    (r"\bstrtok\s*\(", "strtok(): not thread-safe", ()),
    (r"\bstrerror\s*\(", "strerror(): use Errno/ErrnoStatus", ("base/core/", "conmon/", "tests/")),
    (r"\.\s*detach\s*\(\s*\)", "std::thread::detach: join what you start", ()),
    (r"\bthrow\b", "throw: failures are Result/Status", ("tests/",)),
    (r"#\s*include\s*<(iostream|fstream|sstream|iomanip)>", "iostream in library code",
     ("server/cli/", "server/main", "server/crisp_main", "tests/")),
    (r"\bstd::(cout|cerr|clog)\b", "std::cout/cerr in library code",
     ("server/cli/", "server/main", "tests/")),
    (r"\bclass\s+\w*(Manager|Utils?|Common)\b", "name the thing: no Manager, Utils, Common", ()),
    (r"\bGetInstance\s*\(", "no singletons", ()),
]

# Written so that this file does not contain them.
FORBIDDEN_NAMES = [
    (r"/wo" r"rk/(main|shared|\.)", "a path of a workplace"),
    (r"/tmp/" r"b-[a-z]", "a path of a workplace"),
    (r"(?i)\bassis" r"tant\b", "speaks of who wrote it"),
    (r"(?i)\b(this|previous|next|last|coding|agent'?s?|developer's|ceo'?s?) ses" r"sion\b",
     "speaks of when it was written"),
    (r"(?i)\bclau" r"de\b|\bchat" r"gpt\b|\bcopi" r"lot\b", "speaks of who wrote it"),
    (r"(?i)\bdeb\.debian\.org\b|\bregistry\.npmjs\.org\b|\bpypi\.org\b",
     "names a package registry's host"),
]

ROOM_CODE = tuple(r + "/" for r in ROOMS)


def room_of(name):
    """The room that a path belongs to, or None (tests, deploy)."""
    for room in ROOMS:  # base/core before base
        if name.startswith(room + "/"):
            return room
    return None


def check_names(name, text):
    if name == "tests/lint/rules.py":
        return []
    findings = []
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, why in FORBIDDEN_NAMES:
            if re.search(pattern, line):
                findings.append(f"{name}:{number}: names: {why}: {line.strip()[:80]}")
    return findings


def check_source(name, text):
    findings = []
    lines = text.split("\n")
    if text.count("\n") > MAX_FILE_LINES:
        findings.append(f"{name}:1: file-size: {text.count(chr(10))} lines, "
                        f"at most {MAX_FILE_LINES}")
    if name.endswith(".h"):
        findings += check_guard(name, text)
    stripped = cxx.strip(text)
    findings += check_includes(name, lines)
    findings += check_banned(name, stripped)
    for function, start, length in cxx.functions(stripped):
        if length > MAX_FUNCTION_LINES:
            findings.append(f"{name}:{start}: function-size: {function} has {length} lines, "
                            f"at most {MAX_FUNCTION_LINES}")
    return findings


def check_guard(name, text):
    guard = "CRISP_" + re.sub(r"[^A-Za-z0-9]", "_", name).upper() + "_"
    match = re.search(r"^#ifndef (\S+)\n#define (\S+)", text, re.M)
    if match and match.group(1) == guard and match.group(2) == guard:
        return []
    return [f"{name}:1: guard: want #ifndef {guard} and #define {guard}"]


def check_includes(name, lines):
    findings = []
    room = room_of(name)
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if not match or room is None:
            continue
        quote, header = match.groups()
        if quote == "<":
            findings += check_third_party(name, number, room, header)
            continue
        other = room_of(header)
        if other is None or (room, header) in FORBIDDEN_HEADERS:
            findings.append(f'{name}:{number}: layering: "{header}" is not for {room}')
        elif other != room and other not in ALLOWED[room] and (room, header) not in ALLOWED_HEADERS:
            findings.append(f"{name}:{number}: layering: {room} may not include {other} ({header})")
    return findings


def check_third_party(name, number, room, header):
    for prefix, rooms in THIRD_PARTY.items():
        if header.startswith(prefix) and room not in rooms:
            allowed = ", ".join(sorted(rooms)) or "nobody"
            return [f"{name}:{number}: third-party: <{header}> is for {allowed}, not for {room}"]
    return []


def check_banned(name, stripped):
    findings = []
    in_room = room_of(name) is not None
    for number, line in enumerate(stripped.split("\n"), 1):
        for pattern, why, allowed in BANNED:
            if not in_room and "tests/" in allowed:
                continue
            if any(name.startswith(prefix) for prefix in allowed):
                continue
            if re.search(pattern, line):
                findings.append(f"{name}:{number}: banned: {why}")
    return findings


def check_readmes(root, names):
    findings = []
    present = {n.split("/")[0] for n in names if n.startswith(ROOM_CODE)}
    for top in sorted(present | {"tests", "deploy"}):
        readme = pathlib.PurePosixPath(top, "README.md")
        if not any(n.startswith(top + "/") for n in names):
            continue
        if not (root / readme).is_file():
            findings.append(f"{readme}:1: readme: each room has one")
    for name in names:
        if name.endswith("README.md") and name != "README.md":
            count = (root / name).read_text().count("\n")
            if count > MAX_README_LINES:
                findings.append(f"{name}:1: readme: {count} lines, at most {MAX_README_LINES}")
    return findings
