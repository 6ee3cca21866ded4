#!/usr/bin/env bash
# tools/install-deps.sh: installs the Debian packages that casc is built from.
#
#   tools/install-deps.sh [--check] [--clang] [--peers]
#
#   --check   installs nothing; prints what is missing and exits 1, or exits 0 when everything is there
#   --clang   also the clang tools, which ./dev asan and tsan (and so ./dev test), fuzz, fmt and tidy need
#   --peers   also the brokers that only `casc-bench compare` and `suite` run: Redis, NATS and RabbitMQ (with Erlang, 100 MB). It
#             starts them itself, so their system services are neither started now nor at the next boot
#
# Safe to run again and again: when everything is there it asks dpkg once and touches neither apt nor the network.
# Needs root; uses sudo when it is not root. docs/dependencies.md says what each package is for.
set -euo pipefail

readonly BUILD_PACKAGES=(
    g++ cmake ninja-build pkg-config ccache git
    libboost1.81-dev libboost-json1.81-dev
    librocksdb-dev libflatbuffers-dev flatbuffers-compiler
    liburing-dev liblz4-dev libmimalloc-dev libssl-dev libsentencepiece-dev
    libcli11-dev libspdlog-dev libfmt-dev libtomlplusplus-dev
    doctest-dev libbenchmark-dev libreaderwriterqueue-dev libzmq3-dev librdkafka-dev valgrind
    python3-numpy
)
# libclang-rt holds the sanitizer and libFuzzer runtimes, which clang only recommends.
readonly CLANG_PACKAGES=(clang libclang-rt-14-dev clang-format clang-tidy)
readonly PEER_PACKAGES=(redis-server nats-server rabbitmq-server)

say() { printf 'install-deps: %s\n' "$*"; }
die() {
    printf 'install-deps: %s\n' "$@" >&2
    exit 1
}

check_only=false
packages=("${BUILD_PACKAGES[@]}")
for argument in "$@"; do
    case $argument in
        --check) check_only=true ;;
        --clang) packages+=("${CLANG_PACKAGES[@]}") ;;
        --peers) packages+=("${PEER_PACKAGES[@]}") ;;
        -h | --help)
            sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
            exit 0
            ;;
        *) die "unknown option '$argument'; there are --check, --clang and --peers" ;;
    esac
done

if ! command -v dpkg-query >/dev/null; then
    die "this is not a Debian system, so nothing was installed." \
        "casc needs what these Debian 12 packages hold: ${packages[*]}" \
        "Install them your way, then run ./dev with CASC_SKIP_DEPS=1."
fi

# dpkg-query prints one line per package it knows, and complains about (and fails for) the others; only 'installed'
# counts: a removed package whose configuration is left is known, too.
missing_packages() {
    local installed package
    installed=" $({ dpkg-query -W -f '${db:Status-Status}:${Package}\n' "${packages[@]}" 2>/dev/null || true; } |
        sed -n 's/^installed://p' | tr '\n' ' ')"
    for package in "${packages[@]}"; do
        [[ $installed == *" $package "* ]] || printf '%s\n' "$package"
    done
}

mapfile -t missing < <(missing_packages)
if ((${#missing[@]} == 0)); then
    exit 0
fi
if $check_only; then
    die "missing: ${missing[*]}"
fi

as_root=()
if ((EUID != 0)); then
    command -v sudo >/dev/null ||
        die "missing: ${missing[*]}" \
            "Installing them needs root, and there is no sudo here. As root, run:" \
            "    apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    # With a terminal sudo may ask for the password; without one it must not hang on the question.
    [[ -t 0 ]] || sudo -n true 2>/dev/null ||
        die "missing: ${missing[*]}" \
            "Installing them needs root, and sudo wants a password but there is no terminal to ask on. Run:" \
            "    sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo)
fi

# The lock is shared with unattended upgrades, which often run just after a machine has started: wait for it.
apt() {
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# Debian starts a service when its package is installed, unless this script, which every package asks, forbids it.
readonly SERVICE_POLICY=/usr/sbin/policy-rc.d
policy_is_ours=false
forbid_services() {
    # One that is there is somebody's decision (containers have one), and is left alone.
    [[ ! -e $SERVICE_POLICY ]] || return 0
    printf '#!/bin/sh\nexit 101\n' | ${as_root[@]+"${as_root[@]}"} tee "$SERVICE_POLICY" >/dev/null
    policy_is_ours=true
    ${as_root[@]+"${as_root[@]}"} chmod 755 "$SERVICE_POLICY"
}
allow_services() {
    ! $policy_is_ours || ${as_root[@]+"${as_root[@]}"} rm -f "$SERVICE_POLICY"
    policy_is_ours=false
}

# The peers that are about to be installed; whoever had one before has it as a service perhaps, and keeps it.
new_peers=()
for package in "${PEER_PACKAGES[@]}"; do
    [[ " ${missing[*]} " != *" $package "* ]] || new_peers+=("$package")
done
if ((${#new_peers[@]} > 0)); then
    trap allow_services EXIT
    forbid_services
fi

say "installing ${#missing[@]} packages: ${missing[*]}"
# A failed update is not the end: one broken third-party source must not stop us while Debian's own are fine.
apt update || say "apt-get update failed; trying with the package lists that are here"
apt install --no-install-recommends "${missing[@]}" ||
    die "apt-get could not install: ${missing[*]}" \
        "Its own message is above. Is this Debian 12 (bookworm) or newer, and can it reach its package mirror?"

if ((${#new_peers[@]} > 0)); then
    allow_services
    if [[ -d /run/systemd/system ]]; then
        ${as_root[@]+"${as_root[@]}"} systemctl disable --quiet "${new_peers[@]}" epmd.socket epmd.service ||
            say "could not switch off the services of ${new_peers[*]}; they would start at the next boot"
    fi
fi

mapfile -t missing < <(missing_packages)
((${#missing[@]} == 0)) || die "apt-get reported success, but these are still missing: ${missing[*]}"
say "everything is installed"
