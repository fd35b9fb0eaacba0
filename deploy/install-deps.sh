#!/bin/bash
# Installs what crisp needs on Debian 12, with apt and nothing else.
#
#   deploy/install-deps.sh           to build crispd and to run pods
#   deploy/install-deps.sh --test    also what the tests, the lint and the benchmark need
#
# What is there already is left alone: on a machine that has everything this asks dpkg once and
# ends. Needs root only when something is missing.
set -euo pipefail

build=(
  g++ cmake ninja-build pkg-config
  libgrpc++-dev libgrpc-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  libabsl-dev libre2-dev libc-ares-dev
  libyaml-cpp-dev libspdlog-dev libfmt-dev
  libseccomp-dev nlohmann-json3-dev
  libcurl4-openssl-dev libssl-dev libboost-dev
  libisal-dev zlib1g-dev libzstd-dev libsqlite3-dev libtomlplusplus-dev
)
run=(runc crun containernetworking-plugins iptables iproute2 busybox-static ca-certificates gpgv)
test=(
  ccache libgtest-dev libgmock-dev
  python3 nftables procps docker-registry skopeo buildah umoci openssl curl gnupg
  mount e2fsprogs xfsprogs
  clang-format
)

wanted=("${build[@]}" "${run[@]}")
case "${1:-}" in
  "") ;;
  --test)
    wanted+=("${test[@]}")
    # Node.js for the interop tests; another vendor's package brings npm along.
    command -v npm >/dev/null || wanted+=(nodejs npm)
    ;;
  *)
    echo "usage: $0 [--test]" >&2
    exit 2
    ;;
esac

missing=()
while read -r name; do
  missing+=("$name")
done < <(comm -23 \
  <(printf '%s\n' "${wanted[@]}" | sort -u) \
  <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null |
    sed -n 's/^installed //p' | sort -u))

if [ ${#missing[@]} -eq 0 ]; then
  echo "install-deps: all ${#wanted[@]} packages are installed"
  exit 0
fi
echo "install-deps: installing ${#missing[@]} of ${#wanted[@]} packages: ${missing[*]}"
if [ "$(id -u)" -ne 0 ]; then
  echo "install-deps: this needs root: run it with sudo" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# A service that a package would start (docker-registry) stays stopped: tests start their own.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  made_policy=1
fi
trap '[ -z "$made_policy" ] || rm -f "$policy"' EXIT
apt-get update -q
apt-get install -q -y --no-install-recommends "${missing[@]}"
echo "install-deps: done"
