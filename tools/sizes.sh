#!/usr/bin/env bash
# Fails when a source file is longer than one person reads in one go. Functions are held by clippy (too_many_lines,
# clippy.toml); a file has no such lint.
set -euo pipefail
# shellcheck source=tools/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

MAX_LINES=500
cd "$ROOT"

too_long=$(
    git ls-files -z --cached --others --exclude-standard -- '*.rs' '*.sh' '*.js' '*.css' '*.html' |
        xargs -0 --no-run-if-empty wc -l |
        awk -v max="$MAX_LINES" '$2 != "total" && $1 > max { print }'
)
[ -z "$too_long" ] || die "longer than $MAX_LINES lines:
$too_long"
