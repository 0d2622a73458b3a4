# The entry points. Each target is one or two commands; scripts with more than that live in tools/ and tests/compose/.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export POLDER_TOOLS ?= $(CURDIR)/target/tools
# Debian keeps nft and ip out of an ordinary user's path.
export PATH := $(POLDER_TOOLS)/bin:$(PATH):/usr/sbin:/sbin

EXAMPLE ?= examples/two-tier.yaml
# Seconds for each target of `make fuzz`.
TIME ?= 60

.PHONY: help run deps test check fmt clippy deny doc core-deps sizes buf shell bench compose-test fuzz

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The dev profile: the first try is about seeing it work, and it builds in half the time of a release build.
run: ## Build, start everything in one process with the two-tier example, serve until Ctrl-C (no root)
	@tools/deps.sh run
	cargo build --locked -p polder-cli --bin polder
	@exec cargo run --locked -q -p polder-cli --bin polder -- up --apply $(EXAMPLE)

deps: ## Install what the tests need (as root; otherwise print the command)
	@tools/deps.sh test

# Everything is built first: scenarios start the binaries of other packages, which `cargo test` alone does not build.
test: deps ## Run every test
	cargo build --locked --workspace --bins
	cargo test --locked --workspace

check: fmt sizes shell core-deps deny buf clippy doc ## Everything but the tests

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --locked --workspace --all-targets -- -D warnings

# A wrapper that does not use its crate yet is no news.
# Not the advisories: their database is fetched over the network, so the same commit could pass today and fail tomorrow.
deny:
	@tools/deps.sh check
	cargo deny --locked check --hide-inclusion-graph -A unused-wrapper bans licenses sources

doc:
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps --document-private-items

core-deps:
	tools/core-deps.sh

sizes:
	tools/sizes.sh

buf:
	@tools/deps.sh check
	proto/lint.sh

shell:
	@tools/deps.sh check
	shellcheck -x .ci/run tools/protoc $$(git ls-files --cached --others --exclude-standard '*.sh')

bench: ## Measure allocations, a large state and the name server, beside raw etcd and peers (release build)
	@tools/deps.sh bench
	cargo build --release --locked -p polder-ipam -p polder-lb -p polder-dns -p polder-cli --bins
	cargo bench --locked -p polder-bench

# A failure prints the seed and the input; keep the input in fuzz/corpus/ with the mending.
fuzz: export RUSTC_WORKSPACE_WRAPPER := $(CURDIR)/tools/fuzz-rustc.sh
fuzz: ## Mutate what is parsed, led by coverage, TIME=60 seconds for each target
	POLDER_FUZZ_SEED=$${POLDER_FUZZ_SEED:-$$RANDOM} cargo run --locked -q --release -p polder-fuzz -- $(TIME)

compose-test: ## Bring docker-compose.yml up with the local engine and run the example against it
	tests/compose/run.sh
