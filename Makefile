# The same commands by hand and in CI. `make help` lists them.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION) -X main.commit=$(shell git rev-parse --short HEAD 2>/dev/null)
# The linter is pinned here and nowhere else; it is built from source by `make lint`.
GOLANGCI = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/bridge
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/bridge ./cmd/bridge

.PHONY: test
test: ## every test, with the race detector
	$(GO) vet ./...
	$(GO) test -race -timeout 15m ./...

.PHONY: short
short: ## the tests without the race detector and the long ones
	$(GO) test -short -timeout 5m ./...

.PHONY: demo
demo: ## the main job with nothing to install, once
	$(GO) run ./cmd/bridge demo --once

.PHONY: lint
lint: ## gofmt, vet and golangci-lint
	@test -z "$$(gofmt -l cmd internal test)" || { gofmt -l cmd internal test; exit 1; }
	$(GO) vet ./...
	$(GO) run $(GOLANGCI) run ./...

# Every fuzz target, as package:FuzzName.
FUZZ = $(shell grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9]*' cmd internal | sed 's|/[^/]*:func |:|' | sort)

.PHONY: fuzz
fuzz: ## fuzz everything that parses bytes from outside, FUZZTIME (1m) each
	@for t in $(FUZZ); do \
	  echo "== $$t"; $(GO) test -run '^$$' -fuzz "^$${t#*:}$$" -fuzztime $${FUZZTIME:-1m} ./$${t%:*} || exit 1; \
	done

.PHONY: fuzz-ci
fuzz-ci: ## the same for FUZZTOTAL seconds (300) in all, split evenly
	@FUZZTIME=$$(( $${FUZZTOTAL:-300} / $(words $(FUZZ)) ))s $(MAKE) --no-print-directory fuzz

.PHONY: bench
bench: ## speed, memory and growth against their bars, as a table and as artefacts/bench.json (some 25 minutes; BENCH='-only ingest -runs 5')
	@mkdir -p artefacts
	$(GO) run ./test/bench -json artefacts/bench.json $(BENCH)

.PHONY: days
days: ## 20 whole days of a busy shop and 200 times two hours, in virtual time, with fresh seeds
	$(GO) test -timeout 20m -count 1 -v -run 'TestDays|TestHours|TestFigures|TestSeedRepeats' ./internal/simulation

.PHONY: figures
figures: ## the table of what the quota planner does on such days, beside its bars
	$(GO) test -timeout 30m -run '^$$' -bench BlackFriday ./internal/simulation
	$(GO) test -run '^$$' -bench 'Permit|Replan' ./internal/calls

.PHONY: docs
docs: ## write docs/commands.md and the manual pages (dist/man1) from the commands' help
	$(GO) test -count 1 -run TestCommandsDocument ./cmd/bridge -update
	$(GO) run ./cmd/bridge man dist/man1

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist artefacts
