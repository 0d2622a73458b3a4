#!/usr/bin/env bash
# Compares the crates polder-core is built from with core/deps.golden: core is the domain alone, so a new name in that list
# is a decision, not an accident. Versions are left out; Cargo.lock holds them.
#
#   tools/core-deps.sh            compare
#   tools/core-deps.sh --update   write the list anew
set -euo pipefail
# shellcheck source=tools/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

golden="$ROOT/core/deps.golden"
cd "$ROOT"

names() { cargo tree --locked -p polder-core -e normal --target all --prefix none --format '{p}' | cut -d ' ' -f 1 | LC_ALL=C sort -u; }

if [ "${1:-}" = --update ]; then
    names >"$golden"
    exit 0
fi
diff -u "$golden" <(names) >&2 || die "polder-core's dependencies changed; if that is meant: tools/core-deps.sh --update"
