# Everything that is done with this repository. `make` alone says what there is.

.DEFAULT_GOAL := help
.PHONY: help setup build init run test test-runtimes test-cgroup2 test-docker fuzz check bench

help: ## says what there is
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

setup: ## looks for the tools, and installs those that are missing where it may
	@scripts/setup

build: setup ## builds the program and the init of its sandboxes, optimised
	@scripts/build release

init: ## builds the init of the sandboxes alone
	@scripts/build release init

run: ## starts the service with three example functions, until Ctrl-C
	@scripts/run check
	@$(MAKE) --no-print-directory build
	@scripts/run

test: setup ## runs all tests; what this machine can't run is named and skipped
	@scripts/test

test-runtimes: ## runs the conformance cases on the oldest and newest runtime of each language
	@scripts/build debug
	@CLOUDBOX_TEST_RUNTIMES="$${CLOUDBOX_TEST_RUNTIMES:-nodejs14,nodejs24,python3.7,python3.13,go1.18,go1.27}" \
		cargo test --locked -p cloudbox-tests --test integration -- conformance::chosen --test-threads 1

test-cgroup2: ## runs the native driver's tests in a virtual machine with cgroup v2 alone
	@scripts/test-cgroup2

test-docker: ## runs the Docker driver's tests with the newest Docker that Debian has
	@scripts/test-docker

fuzz: ## looks for input that breaks the reader of what sandboxes send, for a minute
	@scripts/fuzz

check: ## runs what CI runs: all tests, nothing skipped
	@CI=true $(MAKE) --no-print-directory test

bench: setup ## measures warm and first calls beside peers, in one run
	@scripts/setup wrk
	@scripts/build release
	@cargo build --locked --release -p cloudbox-bench-peer
	@python3 benches/run.py "$${CARGO_TARGET_DIR:-target}/release/cloudbox"
