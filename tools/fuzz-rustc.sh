#!/usr/bin/env bash
# The compiler of `make fuzz` (RUSTC_WORKSPACE_WRAPPER): as it is, but the crates that parse count which of their code was
# reached (fuzz/src/driver/coverage.rs reads the counters).
set -euo pipefail

counters=(
    -C passes=sancov-module
    -C llvm-args=-sanitizer-coverage-level=3
    -C llvm-args=-sanitizer-coverage-inline-8bit-counters
)
case " $* " in
*" --crate-name polder_core "* | *" --crate-name polder_proto "* | *" --crate-name polder_cli "*) exec "$@" "${counters[@]}" ;;
*) exec "$@" ;;
esac
