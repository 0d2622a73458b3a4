#!/usr/bin/env bash
# A private container engine: all its state is in one folder, its socket is FOLDER/sock, and it leaves the machine's
# firewall, forwarding and default bridge alone. Containers reach each other by name and published ports work (through
# docker-proxy), but they cannot reach the outside.
# It needs root, Debian's docker.io, the cgroup controllers mounted (version 1 or 2) and a file system that overlayfs can
# stand on; where that is missing dockerd falls back to copying (vfs) by itself.
#
#   tests/compose/engine.sh start FOLDER   returns when the engine answers (root only)
#   tests/compose/engine.sh stop FOLDER    ends it and removes the folder
set -euo pipefail
# shellcheck source=tools/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../tools/env.sh"

START_SECONDS=30
STOP_SECONDS=30

# until_true SECONDS COMMAND...
until_true() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

start() {
    mkdir -p "$1"
    setsid dockerd --host "unix://$1/sock" --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" \
        --iptables=false --ip6tables=false --ip-forward=false --bridge=none >"$1/log" 2>&1 </dev/null &
    if ! until_true "$START_SECONDS" docker --host "unix://$1/sock" info; then
        tail -n 20 "$1/log" >&2
        stop "$1"
        die "the private container engine did not start; above is the end of its log"
    fi
}

gone() { ! kill -0 "$1"; }

stop() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null || true)
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        until_true "$STOP_SECONDS" gone "$pid" || die "the private container engine (pid $pid) does not end"
    fi
    rm -rf "$1"
}

case ${1:-} in
    start) start "$2" ;;
    stop) stop "$2" ;;
    *) die "usage: tests/compose/engine.sh start|stop FOLDER" ;;
esac
