#!/usr/bin/env python3
"""The house rules that a compiler cannot see (see README.md beside this file).

usage: lint.py [--root DIR] [--no-format] [--list-rules] [FILE...]

Prints one line per finding, `path:line: rule: what`, and exits 1 when there is any.
Every rule has a test in lint_test.py.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True  # nothing is left in the checkout
import rules

SOURCE_SUFFIXES = {".h", ".cc"}
SKIPPED_DIRS = {".git", "build", ".cache", "corpus"}


def tracked_files(root):
    """Files of the checkout: what git knows or would add; without git, everything."""
    try:
        out = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True, capture_output=True).stdout.decode()
        names = [n for n in out.split("\0") if n]
    except (OSError, subprocess.CalledProcessError):
        names = [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()]
    keep = []
    for name in sorted(set(names)):
        path = pathlib.PurePosixPath(name)
        if path.parts[0].startswith("build") or SKIPPED_DIRS & set(path.parts[:-1]):
            continue
        if (root / name).is_file():
            keep.append(name)
    return keep


def check_tree(root, names):
    findings = []
    for name in names:
        path = root / name
        data = path.read_bytes()
        if b"\0" in data[:8000]:
            continue
        text = data.decode("utf-8", errors="replace")
        findings += rules.check_names(name, text)
        if path.suffix in SOURCE_SUFFIXES:
            findings += rules.check_source(name, text)
    findings += rules.check_readmes(root, names)
    return findings


def check_format(root, names):
    """Reports whether clang-format 14 would change a file. Silent without that version."""
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if tool is None:
        print("lint: no clang-format here: formatting is not checked", file=sys.stderr)
        return []
    version = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout
    if "version 14." not in version:
        print(f"lint: {version.strip()} is not version 14: formatting is not checked",
              file=sys.stderr)
        return []
    sources = [n for n in names if pathlib.PurePosixPath(n).suffix in SOURCE_SUFFIXES]
    findings = []
    for start in range(0, len(sources), 40):
        out = subprocess.run(
            [tool, "--dry-run", "--style=file", *sources[start:start + 40]],
            cwd=root, capture_output=True, text=True).stderr
        seen = set()
        for line in out.splitlines():
            match = re.match(r"([^:]+):(\d+):\d+: warning: code should be clang-formatted", line)
            if match and match.group(1) not in seen:
                seen.add(match.group(1))
                findings.append(f"{match.group(1)}:{match.group(2)}: format: "
                                "run clang-format -i on this file")
    return findings


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--no-format", action="store_true")
    parser.add_argument("--list-rules", action="store_true")
    parser.add_argument("files", nargs="*", help="only these (relative to the root)")
    args = parser.parse_args()
    if args.list_rules:
        print("\n".join(sorted(rules.RULES)))
        return 0
    names = tracked_files(args.root)
    if args.files:
        names = [n for n in names if n in set(args.files)]
    findings = check_tree(args.root, names)
    if not args.no_format:
        findings += check_format(args.root, names)
    for finding in findings:
        print(finding)
    print(f"lint: {len(names)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
