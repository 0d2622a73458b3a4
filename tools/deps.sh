#!/usr/bin/env bash
# Provides what Polder's make targets need besides a Rust toolchain, or says what is missing and fails.
#
#   tools/deps.sh PURPOSE...
#       run       building: cargo and a C compiler to link with
#       test      etcd, DNS and network tools, Knot as a secondary, Unbound as an upstream, a browser, grpcurl
#       bench     what 'make bench' measures Polder beside: etcd, dnsperf, NSD, Knot, CoreDNS
#       check     rustfmt, clippy, cargo-deny, shellcheck, and npm for buf
#       compose   a container engine with the compose and buildx plugins
#
# Debian packages need root: as root they are installed, otherwise the command to run is printed and the exit code is 1.
# Everything else is built or fetched into the tools folder (see env.sh) by any user.
set -euo pipefail
# shellcheck source=tools/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

GRPCURL_VERSION=1.9.3
COREDNS_VERSION=1.14.7
DENY_VERSION=0.20.2
packages=()

# want COMMAND PACKAGE: the package is asked for when the command is not there.
want() { have "$1" || packages+=("$2"); }

run_packages() {
    have cc || packages+=(gcc libc6-dev)
}

# Debian starts name servers when they are installed, where it starts anything; tests and benchmarks run their own and need none of those.
test_packages() {
    want curl curl
    want etcd etcd-server
    want etcdctl etcd-client
    want dig bind9-dnsutils
    want kdig knot-dnsutils
    want knotd knot
    want unbound unbound
    want drill ldnsutils
    [ -e /usr/lib/python3/dist-packages/dns ] || packages+=(python3-dnspython)
    want musl-gcc musl-tools
    want unshare util-linux
    want dnsperf dnsperf
    want ip iproute2
    want nft nftables
    have chromium || want chromium-headless-shell chromium-headless-shell
}

bench_packages() {
    want etcd etcd-server
    want dnsperf dnsperf
    want nsd nsd
    want knotd knot
    want taskset util-linux
}

check_packages() {
    want npm npm
    want shellcheck shellcheck
}

# An engine is asked for only where none can be reached: tests/compose/run.sh then starts a private one.
compose_packages() {
    want curl curl
    want dig bind9-dnsutils
    want strip binutils
    docker info >/dev/null 2>&1 && return
    want dockerd docker.io
    # From Debian 13 on the client is a package of its own; before, docker.io carries it.
    have docker || [ -z "$(apt-cache --names-only search '^docker-cli$')" ] || packages+=(docker-cli)
}

install_packages() {
    [ ${#packages[@]} -gt 0 ] || return 0
    have apt-get || die "this is not a Debian system; what its packages ${packages[*]} bring is needed here"
    if [ "$(id -u)" -ne 0 ]; then
        die "Debian packages are missing; run: sudo apt-get install -y --no-install-recommends ${packages[*]}"
    fi
    say "installing ${packages[*]}"
    apt-get -qq update >&2
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
        install -y --no-install-recommends "${packages[@]}" >"$TOOLS/apt.log" 2>&1 || die "apt-get failed:
$(tail -n 20 "$TOOLS/apt.log")"
}

# once NAME COMMAND...: runs the command until it has succeeded one time for this name, which carries the version.
once() {
    local stamp="$TOOLS/$1.done"
    shift
    [ -e "$stamp" ] && return
    "$@" >&2
    touch "$stamp"
}

go_new_enough() {
    local minor
    minor=$(go env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
    [ "${minor:-0}" -ge 21 ]
}

# go_install PACKAGE@VERSION: Debian 12's own Go is too old; Debian 13's needs nothing from the system it runs on, and fetches a newer
# one by itself where a module demands that.
go_install() {
    local go=go
    if ! go_new_enough; then
        "$ROOT/tools/trixie.sh" golang-1.24-go golang-1.24-src
        export GOROOT="$TOOLS/trixie/usr/lib/go-1.24"
        go="$GOROOT/bin/go"
    fi
    CGO_ENABLED=0 GOBIN="$TOOLS/bin" "$go" install "$1"
}

build_grpcurl() {
    say "building grpcurl $GRPCURL_VERSION"
    go_install "github.com/fullstorydev/grpcurl/cmd/grpcurl@v$GRPCURL_VERSION"
}

build_coredns() {
    say "building CoreDNS $COREDNS_VERSION, which takes some minutes"
    go_install "github.com/coredns/coredns@v$COREDNS_VERSION"
}

# Without optimisation it compiles in a third of the time and checks this workspace in three seconds.
install_deny() {
    if [ "$(cargo-deny --version 2>/dev/null)" = "cargo-deny $DENY_VERSION" ]; then return; fi
    say "building cargo-deny $DENY_VERSION"
    CARGO_PROFILE_DEV_DEBUG=false CARGO_TARGET_DIR="$TOOLS/deny-build" \
        cargo install cargo-deny --debug --locked --version "$DENY_VERSION" --root "$TOOLS"
    rm -rf "$TOOLS/deny-build"
}

rust_components() {
    local part
    for part in "$@"; do
        cargo "$part" --version >/dev/null 2>&1 || die "the Rust toolchain lacks 'cargo $part'; run: rustup component add rustfmt clippy"
    done
}

run_tools() { :; }
test_tools() { once "grpcurl-$GRPCURL_VERSION" build_grpcurl; }
bench_tools() { once "coredns-$COREDNS_VERSION" build_coredns; }
compose_tools() { "$ROOT/tools/compose-plugins.sh"; }
check_tools() {
    rust_components fmt clippy
    install_deny
}

main() {
    local purpose
    [ $# -gt 0 ] || die "usage: tools/deps.sh run|test|bench|check|compose ..."
    have cargo || die "no Rust toolchain: get one from https://rustup.rs, then try again"
    run_packages
    for purpose in "$@"; do
        case $purpose in run | test | bench | check | compose) ;; *) die "unknown purpose '$purpose'" ;; esac
        "${purpose}_packages"
    done
    install_packages
    for purpose in "$@"; do "${purpose}_tools"; done
}

main "$@"
