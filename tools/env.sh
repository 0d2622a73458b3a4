# Sourced by the other scripts: where the repository is and where tools live that are neither Rust crates nor Debian
# packages. They are put under target/ so that one folder holds everything that was built or fetched; a CI machine that
# starts from fresh clones can point POLDER_TOOLS at a folder it keeps.
# shellcheck shell=bash
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TOOLS=${POLDER_TOOLS:-$ROOT/target/tools}
mkdir -p "$TOOLS/bin"
# Debian keeps nft, ip and dockerd out of an ordinary user's path.
export PATH="$TOOLS/bin:$PATH:/usr/sbin:/sbin"

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
