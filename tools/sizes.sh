#!/usr/bin/env bash
# Fails when a source file is longer than one person reads in one go. Functions are held by clippy (too_many_lines,
# clippy.toml); a file has no such lint.
set -euo pipefail
# shellcheck source=tools/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

MAX_LINES=500
cd "$ROOT"

too_long=$(
    git ls-files --cached --others --exclude-standard -- '*.rs' '*.sh' '*.js' '*.css' '*.html' | sort -u |
        while read -r file; do
            # A file that was deleted but not yet committed is still listed.
            [ -f "$file" ] || continue
            lines=$(wc -l <"$file")
            [ "$lines" -le "$MAX_LINES" ] || echo "$lines $file"
        done
)
[ -z "$too_long" ] || die "longer than $MAX_LINES lines:
$too_long"
