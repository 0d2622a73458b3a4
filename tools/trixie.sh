#!/usr/bin/env bash
# Unpacks packages of Debian 13 (trixie) into $TOOLS/trixie without installing them and without root: a compose plugin, an
# etcd and a Go compiler that Debian 12 has only too old or not at all. All of them need no library but a glibc 2.34.
#
#   tools/trixie.sh PACKAGE...
#
# It uses an apt configuration of its own, so that the system's package lists and sources stay as they are.
set -euo pipefail
# shellcheck source=tools/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

apt_dir="$TOOLS/apt"
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

configure() {
    [ -r "$KEYRING" ] || die "no $KEYRING: this needs Debian's archive keys (package debian-archive-keyring)"
    mkdir -p "$apt_dir"/{lists/partial,cache/archives/partial,parts,deb}
    touch "$apt_dir/status"
    echo "deb [signed-by=$KEYRING] http://deb.debian.org/debian trixie main" >"$apt_dir/sources.list"
    cat >"$apt_dir/apt.conf" <<CONF
Dir::State "$apt_dir";
Dir::State::status "$apt_dir/status";
Dir::Cache "$apt_dir/cache";
Dir::Etc::sourcelist "$apt_dir/sources.list";
Dir::Etc::sourceparts "$apt_dir/parts";
Dir::Etc::main "$apt_dir/none";
Dir::Etc::parts "$apt_dir/parts";
Acquire::Languages "none";
APT::Sandbox::User "";
CONF
    export APT_CONFIG="$apt_dir/apt.conf"
}

main() {
    local package missing=()
    for package in "$@"; do
        [ -e "$TOOLS/trixie/.have-$package" ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    configure
    say "fetching from Debian 13: ${missing[*]}"
    apt-get -qq update
    rm -f "$apt_dir"/deb/*.deb
    (cd "$apt_dir/deb" && apt-get -qq download "${missing[@]}")
    mkdir -p "$TOOLS/trixie"
    for package in "${missing[@]}"; do
        dpkg-deb -x "$apt_dir"/deb/"$package"_*.deb "$TOOLS/trixie"
        touch "$TOOLS/trixie/.have-$package"
    done
}

main "$@"
