#!/usr/bin/env bash
# Makes `docker compose` and `docker buildx` answer: does nothing where they do already, else takes Debian 13's plugins.
# Whoever needs them afterwards calls docker with DOCKER_CONFIG=$TOOLS/docker when that folder exists.
set -euo pipefail
# shellcheck source=tools/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

answer() { docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; }
own() { DOCKER_CONFIG="$TOOLS/docker" "$@"; }

if answer || own answer; then exit 0; fi

"$ROOT/tools/trixie.sh" docker-compose docker-buildx
mkdir -p "$TOOLS/docker/cli-plugins"
for plugin in docker-compose docker-buildx; do
    found=$(find "$TOOLS/trixie" -type f -path "*/cli-plugins/$plugin" | head -n 1)
    [ -n "$found" ] || die "Debian 13's package $plugin holds no plugin of that name any more"
    ln -sfn "$found" "$TOOLS/docker/cli-plugins/$plugin"
done
own answer || die "the docker client does not take Debian 13's plugins"
