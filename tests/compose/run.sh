#!/usr/bin/env bash
# Brings docker-compose.yml up from nothing, runs the two-tier example against it, and takes everything down again.
#
# The engine: the one `docker info` reaches, if it has or can pull the base images; else, as root, a private one that is
# started here and ended here, with local stand-ins for images that cannot be pulled.
# The image: the Dockerfile's target runtime-prebuilt with the binaries of this checkout, so that nothing is compiled twice.
# Ports on the host are free ones chosen by the engine: a running Polder is not in the way.
set -euo pipefail
# shellcheck source=tools/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../tools/env.sh"
cd "$ROOT"

UP_SECONDS=120
BINARIES=(polder polder-ipam polder-lb polder-dns polder-gateway)
export COMPOSE_PROJECT_NAME="polder-test-$$"
export POLDER_IMAGE="polder:test-$$"
export POLDER_IPAM_PORT=0 POLDER_LB_PORT=0 POLDER_DNS_GRPC_PORT=0 POLDER_DNS_PORT=0 POLDER_HTTP_PORT=0
work=$(mktemp -d)
engine=

# Binaries built here need a C library as new as this machine's, so the base follows the machine.
runtime_image() {
    local codename
    codename=$(. /etc/os-release && [ "$ID" = debian ] && echo "${VERSION_CODENAME:-}") || true
    echo "debian:${codename:-bookworm}-slim"
}

build_binaries() {
    local name out="${CARGO_TARGET_DIR:-target}/debug"
    cargo build --locked -q --bins -p polder-cli -p polder-ipam -p polder-lb -p polder-dns -p polder-gateway
    mkdir "$work/image"
    for name in "${BINARIES[@]}"; do strip -o "$work/image/$name" "$out/$name"; done
}

choose_engine() {
    if docker info >/dev/null 2>&1 && tests/compose/images.sh find "$RUNTIME_IMAGE" "$ETCD_IMAGE"; then return; fi
    [ "$(id -u)" -eq 0 ] || die "no container engine that has or can pull $RUNTIME_IMAGE and $ETCD_IMAGE; run this as root to use a private one"
    say "starting a private container engine"
    have dockerd || die "dockerd is missing; run: apt-get install -y --no-install-recommends docker.io"
    engine="$work/engine"
    tests/compose/engine.sh start "$engine"
    export DOCKER_HOST="unix://$engine/sock"
    tests/compose/images.sh find "$RUNTIME_IMAGE" 2>/dev/null ||
        tests/compose/images.sh make-runtime "$RUNTIME_IMAGE" "${BINARIES[@]/#/$work/image/}"
    tests/compose/images.sh find "$ETCD_IMAGE" 2>/dev/null || tests/compose/images.sh make-etcd "$ETCD_IMAGE"
}

finish() {
    local status=$?
    trap - EXIT
    if [ "$status" -ne 0 ]; then
        docker compose ps --all >&2 || true
        docker compose logs --no-color --tail 50 >&2 || true
    fi
    docker compose down --volumes --timeout 20 >/dev/null 2>&1 || true
    if [ -n "$engine" ]; then
        tests/compose/engine.sh stop "$engine" || status=1
    else
        docker image rm "$POLDER_IMAGE" >/dev/null 2>&1 || true
    fi
    rm -rf "$work"
    exit "$status"
}

main() {
    tools/deps.sh compose
    if [ -d "$TOOLS/docker" ]; then export DOCKER_CONFIG="$TOOLS/docker"; fi
    RUNTIME_IMAGE=$(runtime_image)
    ETCD_IMAGE=$(docker compose config --images | grep -vxF "$POLDER_IMAGE")
    build_binaries
    choose_engine
    DOCKER_BUILDKIT=1 docker build -q --target runtime-prebuilt --build-arg RUNTIME_IMAGE="$RUNTIME_IMAGE" \
        -t "$POLDER_IMAGE" -f Dockerfile "$work/image" >/dev/null
    docker compose --progress quiet up --detach --no-build --pull never --wait --wait-timeout "$UP_SECONDS"
    tests/compose/scenario.sh
}

trap finish EXIT
main "$@"
