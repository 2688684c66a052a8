# latchd: `make` alone prints what there is.
#
#   make demo                    see it work
#   make test                    see that it works
#   make verify                  what a change has to pass; never edits the tree
#   make fix                     the only target that edits it

SHELL := /bin/bash
.DEFAULT_GOAL := help

FORMAT := --configuration .swift-format
SWIFT_FILES = find Package.swift Sources Tests -name '*.swift' -not -path '*/Generated/*'
STRICT := --scratch-path .build/verify -Xswiftc -warnings-as-errors

# Settings of single targets, for example `make sim SEED=42`.
SEED ?=
SEEDS ?= 20000
MINUTES ?= 10

.PHONY: package examples site help setup build release test verify lint fix demo bench sim soak mutants chaos fuzz proto up down clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install the system packages that are missing (Debian, Ubuntu)
	@.ci/setup

build: setup ## Build everything for debugging: .build/debug
	swift build

release: setup ## Build latchd and latchctl for use: .build/release
	swift build -c release --product latchd
	swift build -c release --product latchctl

test: setup ## Build and run all tests, up to real processes
	@.ci/test

verify: setup lint ## The gate: format, no warnings, all tests; edits nothing
	@.ci/test $(STRICT)

lint: ## Check the format only
	@$(SWIFT_FILES) -print0 | xargs -0 swift format lint --strict $(FORMAT)

fix: ## Format the sources: the only target that edits them
	@$(SWIFT_FILES) -print0 | xargs -0 swift format format --in-place $(FORMAT)

demo: release ## Three real nodes, three participants, two kill -9: who holds the latch?
	@Tests/Demo/demo.sh .build/release

bench: release ## Measure against etcd in the same run (installs h2load and etcd)
	@.ci/setup bench
	swift build -c release --product LatchLoad
	python3 Tests/Bench/bench.py --latchd .build/release/latchd
	python3 Tests/Bench/bench.py --latchd .build/release/latchd --failover 15
	python3 Tests/Bench/bench.py --latchd .build/release/latchd --many
	python3 Tests/Bench/latency.py --latchd .build/release/latchd

sim: setup ## Simulate: SEED=42 tells one seed's story, SEEDS=20000 runs that many
	swift build -c release --product latchsim
	.build/release/latchsim $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --threads 2 --marks)

soak: setup ## Simulate new seeds for MINUTES=10
	@.ci/soak $(MINUTES)

fuzz: setup ## Coverage-guided fuzzing of every decoder for MINUTES=10 together
	Tests/Fuzz/fuzz $(MINUTES)

mutants: setup ## Prove the tests: every deliberate bug must be noticed
	python3 Tests/Mutants/mutants.py

chaos: release ## Real nodes, real faults, checked histories, for MINUTES=10
	@.ci/setup chaos
	swift build -c release --product latchchaos
	.build/release/latchchaos --latchd .build/release/latchd --minutes $(MINUTES) --whole

package: setup ## Build a Debian package: .build/package
	@.ci/setup package
	swift build -c release --static-swift-stdlib --product latchd
	swift build -c release --static-swift-stdlib --product latchctl
	Packaging/build-deb .build/release

examples: release ## Run every example against a real cluster, and kill what they rely on
	@.ci/setup examples
	Examples/run-all .build/release/latchd .build/release/latchctl

site: release ## The page in a browser and the alerts in Prometheus, while nodes are killed
	@.ci/setup site
	Tests/StatusSite/page.py --bin .build/release
	Tests/StatusSite/alerts.py --bin .build/release

proto: setup ## Generate the Swift code of the .proto files
	Sources/LatchAPI/Protos/generate

up: ## Start three nodes in containers (docker compose)
	@# The very first start is the one at which none of the three volumes is there.
	LATCHD_START=$$(docker volume inspect latchd-node1 latchd-node2 latchd-node3 2>/dev/null \
		| grep -q '"Name"' || echo --bootstrap) docker compose up --build --detach --wait

down: ## Stop the containers; their data stays in volumes
	docker compose down

clean: ## Remove what was built
	rm -rf .build
