#!/bin/sh
# Lints the protos and refuses changes that break clients or stored records.
#
#   proto/lint.sh            check; what CI runs
#   proto/lint.sh --accept   check, then make the present protos the baseline
#
# The baseline is proto/baseline.binpb: the protos as they were last accepted. It is a file rather than an older commit, so that
# the check works on a shallow clone. It must be up to date, or what was added since could be broken unseen. Until the first
# release the protos may still break: delete the baseline, then accept.
set -eu
cd "$(dirname "$0")"

buf=tools/node_modules/.bin/buf
wanted=$(sed -n 's/.*"@bufbuild\/buf": "\(.*\)".*/\1/p' tools/package.json)
if [ "$("$buf" --version 2>/dev/null || true)" != "$wanted" ]; then
    command -v npm >/dev/null || { echo "proto/lint.sh: npm is missing, which installs buf $wanted (Debian: npm)" >&2; exit 1; }
    npm ci --prefix tools --ignore-scripts --no-audit --no-fund --silent
fi

now=$(mktemp -d)
trap 'rm -r "$now"' EXIT
image=$now/image.binpb

"$buf" lint
# Without source info: a changed comment breaks nobody. Images are compared, because two modules cannot be with one image.
"$buf" build --exclude-source-info --output "$image"
if [ -f baseline.binpb ]; then
    "$buf" breaking "$image" --against baseline.binpb --config '{"version": "v2", "breaking": {"use": ["FILE"]}}'
fi
if [ "${1-}" = --accept ]; then
    cp "$image" baseline.binpb
elif ! cmp -s "$image" baseline.binpb; then
    echo "proto/lint.sh: baseline.binpb is out of date; nothing is broken, so run: proto/lint.sh --accept" >&2
    exit 1
fi
