# Needs Go and make; `make contract` also a JDK 17+, Maven, node with npm, and python3 with pip for the read-backs.
SHELL := /bin/bash

GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION   := v1.9.0

VERSION  := $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)
COMMIT   := $(or $(shell git rev-parse HEAD 2>/dev/null),unknown)
# The commit's time, not the clock's: the same commit gives the same binary.
BUILT    := $(or $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null),unknown)
LDFLAGS  := -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(BUILT)
TOOLS    := $(CURDIR)/.cache/bin
LINT     := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)
VULN     := $(TOOLS)/govulncheck-$(GOVULNCHECK_VERSION)
# The race detector needs a C compiler; go turns CGO off where there is none.
RACE      = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)
GOTEST   ?= go test
BENCH    ?= .
FUZZTIME ?= 10s
SEEDS    ?= 1000
EVENTS   ?= 300000
TURNS    ?= 3
MEMORY   ?= 160
TOP      ?= 10
IMAGE    ?= kinesis-destination:$(VERSION)

.DEFAULT_GOAL := help
.PHONY: help build test lint format demo sim mutations chaos contract deployments bench bench-pipeline memory-loads plots curves fuzz image image-binary release reproducible ldflags docs lines ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: ## bin/kinesis-destination, with version, commit and the demo
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/kinesis-destination ./cmd/kinesis-destination

test: ## every test on embedded servers, with the race detector
	@$(if $(RACE),,echo "no C compiler: testing without the race detector")
	$(GOTEST) $(RACE) -timeout 20m ./...
	$(if $(RACE),$(GOTEST) -run 'Allocat|KeepsTheRoom' ./transform ./consumer ./sink ./cmd/internal/destination) # which the race detector adds to

lint: $(LINT) $(VULN) ## golangci-lint, and known vulnerabilities
	$(LINT) run --allow-parallel-runners ./...
	$(LINT) run --allow-parallel-runners .ci/gotest.go
	$(LINT) run --allow-parallel-runners .ci/certificates.go
	cd .ci/deployments && $(LINT) run --allow-parallel-runners ./...
	$(LINT) run --allow-parallel-runners ./.ci/mutations
	go test ./.ci/mutations # each finds the text that it changes
	$(LINT) run --allow-parallel-runners ./.ci/bench/...
	@.ci/vulnerabilities $(VULN) ./...

format: $(LINT) ## gofumpt and goimports, in place
	$(LINT) fmt ./...

demo: build ## the whole pipeline with nothing else installed (-- --keep, or KEEP=1: goes on as a company with its pages)
	@bin/kinesis-destination demo $(if $(KEEP),--keep)

# What follows -- is a target to make: this one is a flag of demo.
ifneq ($(filter --keep,$(MAKECMDGOALS)),)
KEEP := 1
.PHONY: --keep
--keep: demo ; @:
endif

sim: ## simulate worlds under random faults (SEEDS=how many, SEED=the first)
	GOGC=400 SIM_SEEDS='$(SEEDS)' SIM_SEED='$(SEED)' go test ./cmd/internal/destination -run TestSimulation -v -timeout 2h

mutations: ## break one invariant after another on purpose; a test must catch each (ONLY=regexp)
	go run ./.ci/mutations -only '$(ONLY)'

chaos: ## kill, pause and restart real processes amid a load: members, broker, stream (bounded, about 6 minutes)
	.ci/contract go test -tags chaos -run TestChaos -count=1 -v -timeout 20m ./cmd/internal/destination

contract: ## the contract suites on real Kafka, registry and Kinesis emulator
	GOTEST='$(GOTEST)' .ci/contract

deployments: ## check chart, alerts, dashboard, compose, Dockerfile and Terraform
	@.ci/check-deployments

bench: ## benchmarks (BENCH=regexp); compare two outputs with benchstat
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

bench-pipeline: ## what the pipeline costs beside usual parts, on real Kafka (ROWS=regexp, COMMANDS=regexp, EVENTS=, TURNS=, MEMORY=MiB, PROFILE=1, TOP=lines, KEEP=folder, BEFORE=binary, OWN_CORE=1 the program on a core of its own)
	$(if $(OWN_CORE),taskset --cpu-list 0-$$(($$(nproc) - 2))) .ci/contract go run ./.ci/bench -rows '$(ROWS)' -commands '$(COMMANDS)' -keep '$(KEEP)' -before '$(BEFORE)' -events $(EVENTS) -turns $(TURNS) -memory $(MEMORY) $(if $(PROFILE),-profile $(TOP)) $(if $(OWN_CORE),-core $$(($$(nproc) - 1)))

memory-loads: ## resident memory over time of a process of 96 MiB under each load, on real Kafka (RSS_OVER_TIME=file)
	RSS_OVER_TIME='$(abspath $(or $(RSS_OVER_TIME),.cache/rss-over-time.txt))' .ci/contract go test -count=1 -run TestContractASmallProcess -v ./cmd/internal/destination

plots: ## what events cost over partitions and identities, from .ci/bench/results/after.txt
	go run ./.ci/bench/plot .ci/bench/results/after.txt

curves: ## records a second over time while the stream throttles, in virtual time
	go test -count=1 -run TestTheRateFollowsWhatIsRefused -v ./sink -curves

fuzz: ## every fuzz target for FUZZTIME each
	@set -e; dirs=$$(grep -rl --include='*_test.go' --exclude-dir='.*' '^func Fuzz' * | xargs -r -n 1 dirname | sort -u); \
	[ -n "$$dirs" ] || { echo 'make fuzz: no fuzz target in the tree' >&2; exit 1; }; \
	for dir in $$dirs; do for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$dir"/*_test.go); do \
	  echo "./$$dir $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime '$(FUZZTIME)' -fuzzminimizetime 5x "./$$dir"; \
	done; done

image: ## the container image (IMAGE=name:tag); needs a container engine
	@docker version >/dev/null 2>&1 || { echo "make image: no container engine answers (docker version fails)" >&2; exit 1; }
	docker build --build-arg LDFLAGS='$(LDFLAGS)' -f deployments/Dockerfile -t '$(IMAGE)' .

RELEASE := VERSION='$(VERSION)' LDFLAGS='$(LDFLAGS)' EPOCH='$(or $(shell git log -1 --format=%ct 2>/dev/null),0)'

release: ## dist/: archives and SBOMs for linux and darwin, amd64 and arm64
	@$(RELEASE) .ci/release

reproducible: ## build the release twice, and compare (PLATFORMS="linux/amd64 …")
	@$(RELEASE) .ci/release check

# For the release workflow, which builds the image of two platforms.
ldflags:
	@echo '$(LDFLAGS)'

docs: build ## dist/docs: man pages, Markdown and completions from the commands
	@rm -rf dist/docs
	@bin/kinesis-destination docs dist/docs

lines: ## lines of each package: product, tests
	@git ls-files '*.go' | awk '{ dir = $$0; sub("/[^/]*$$", "", dir); test = $$0 ~ /_test\.go$$/; \
	  while ((getline line < $$0) > 0) n[dir, test]++; close($$0); seen[dir] } \
	  END { for (dir in seen) printf "%-44s %6d %6d\n", dir, n[dir, 0], n[dir, 1] }' | LC_ALL=C sort

# What deployments/Dockerfile builds, for the checks that need no engine.
image-binary:
	@CGO_ENABLED=0 GOOS=linux go build -trimpath -tags release -ldflags '-s -w $(LDFLAGS)' -o '$(OUT)' ./cmd/kinesis-destination

ci: ## what CI runs: lint, test, contract, deployments, reproducible, and the count of tests
	.ci/run

clean: ## remove what the targets made, tools and servers included
	rm -rf bin dist .cache

# The version is in the file's name: a new pin installs anew.
$(LINT):
	GOBIN='$(TOOLS)' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@mv '$(TOOLS)/golangci-lint' '$@'

$(VULN):
	GOBIN='$(TOOLS)' go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	@mv '$(TOOLS)/govulncheck' '$@'
