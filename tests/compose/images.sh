#!/usr/bin/env bash
# Provides the two base images the compose test needs, under their public names.
#
#   tests/compose/images.sh find IMAGE...           fails if one is neither here nor to be had from its registry
#   tests/compose/images.sh make-runtime IMAGE BINARY...   a base with the shared libraries of these binaries, no more
#   tests/compose/images.sh make-etcd IMAGE         Debian's etcd and etcdctl on such a base
#
# The made ones stand in where no registry can be reached. They belong into a private engine only: in a user's own engine
# they would hide the real images of that name.
set -euo pipefail
# shellcheck source=tools/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../tools/env.sh"

PULL_SECONDS=180

find_images() {
    local image
    for image in "$@"; do
        docker image inspect "$image" >/dev/null 2>&1 && continue
        timeout "$PULL_SECONDS" docker pull --quiet "$image" >&2 || return 1
    done
}

# libraries FOLDER BINARY...: copies the loader and every shared library the binaries name, at the path they name.
libraries() {
    local root=$1 file
    shift
    ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// && $1 !~ /:$/ { print $1 }' | sort -u |
        while read -r file; do install -D "$(readlink -f "$file")" "$root$file"; done
}

import() {
    tar -C "$1" --owner=0 --group=0 -c . | docker import - "$2" >/dev/null
    say "made a local stand-in for $2"
}

make_runtime() {
    local image=$1 root
    shift
    root=$(mktemp -d)
    libraries "$root" "$@"
    import "$root" "$image"
    rm -rf "$root"
}

make_etcd() {
    local root name
    root=$(mktemp -d)
    "$ROOT/tools/trixie.sh" etcd-server etcd-client
    for name in etcd etcdctl; do install -D "$TOOLS/trixie/usr/bin/$name" "$root/usr/local/bin/$name"; done
    libraries "$root" "$root/usr/local/bin/etcd" "$root/usr/local/bin/etcdctl"
    import "$root" "$1"
    rm -rf "$root"
}

command=${1:-}
[ $# -gt 1 ] || die "usage: tests/compose/images.sh find|make-runtime|make-etcd IMAGE..."
shift
case $command in
    find) find_images "$@" ;;
    make-runtime) make_runtime "$@" ;;
    make-etcd) make_etcd "$@" ;;
    *) die "unknown command $command" ;;
esac
