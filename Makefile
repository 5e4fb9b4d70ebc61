# The same commands by hand and in CI. `make help` lists them.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION) -X main.commit=$(shell git rev-parse --short HEAD 2>/dev/null)
# Tools are pinned here and nowhere else, and built from source.
GOLANGCI = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

GORELEASER  = github.com/goreleaser/goreleaser/v2@v2.16.0
CYCLONEDX   = github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/bridge
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/bridge ./cmd/bridge

.PHONY: test
test: ## every test, with the race detector
	$(GO) vet ./...
	$(GO) test -race -timeout 15m ./...
	$(GO) test -count 1 -timeout 10m -run 'TestDuty|TestStocked' ./internal/console

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

# Each package is built once, and what the fuzzer finds interesting goes to a folder of its own instead of Go's build
# cache: a run depends on nothing but the seeds that are checked in. FUZZCACHE=folder keeps it from one run to the next.
# On a busy machine Go 1.26 may report the end of the time itself as a failure (go.dev/issue/75804, mended in 1.27): without
# a failing input that is none.
.PHONY: fuzz
fuzz: ## fuzz everything that parses bytes from outside, FUZZTIME (1m) each; FUZZ='internal/events:FuzzEvent' for one
	@work=$$(mktemp -d) && trap 'rm -rf "$$work"' EXIT && for t in $(FUZZ); do \
	  folder=$${t%:*}; name=$${t#*:}; bin="$$work/$$(echo "$$folder" | tr / -).test"; \
	  test -e "$$bin" || $(GO) test -c -fuzz . -o "$$bin" "./$$folder" || exit 1; \
	  echo "== $$t"; \
	  (cd "$$folder" && "$$bin" -test.run '^$$' -test.fuzz "^$$name$$" -test.fuzztime "$${FUZZTIME:-1m}" -test.fuzzminimizetime 1s \
	    -test.fuzzcachedir "$(or $(abspath $(FUZZCACHE)),$$work/corpus)/$$name") >"$$work/said" 2>&1; failed=$$?; \
	  cat "$$work/said"; \
	  test $$failed = 0 || { grep -q '^ *context deadline exceeded$$' "$$work/said" && ! grep -qE 'Failing input|panic:' "$$work/said" && \
	    echo "the time was over; no failing input"; } || exit 1; \
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

.PHONY: torture
torture: ## several processes under all troubles at once: TORTURE (60s) of them
	$(GO) test -v -count 1 -timeout 1h ./test/torture -run 'TestTorture$$' -duration $${TORTURE:-60s}

.PHONY: takeovers
takeovers: ## owners that change under 10,000 events, and a cluster cut in two, which needs root
	$(GO) test -v -count 1 -timeout 30m ./test/torture -run TestTakeovers -events 10000
	$(GO) test -v -count 1 -timeout 30m ./test/torture -run TestPartition -cluster

.PHONY: vuln
vuln: ## known weaknesses of what the binary uses, where their database can be reached
	@if $(GO) run $(GOVULNCHECK) -version 2>&1 | grep -q '^Scanner' && curl -fsS -m 10 -o /dev/null https://vuln.go.dev/index/db.json; then \
	  $(GO) run $(GOVULNCHECK) ./...; \
	else echo "skipped: govulncheck: https://vuln.go.dev cannot be reached from here"; fi

.PHONY: sbom
sbom: build ## dist/bridge.cdx.json: the modules in bin/bridge, as CycloneDX
	@mkdir -p dist
	$(GO) run $(CYCLONEDX) bin -json -output dist/bridge.cdx.json bin/bridge

.PHONY: reproducible
reproducible: ## the same commit, built in two places, gives the same bytes
	@of=$$(git rev-parse HEAD) && a=$$(mktemp -d) && b=$$(mktemp -d) && trap 'rm -rf "$$a" "$$b"' EXIT && for d in "$$a" "$$b"; do \
	  git archive $$of | tar x -C "$$d" && (cd "$$d" && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=check' -o bridge ./cmd/bridge) || exit 1; \
	done && cmp "$$a/bridge" "$$b/bridge" && sha256sum "$$a/bridge" | cut -d' ' -f1 | sed 's/^/reproducible: /'

.PHONY: release
release: ## archives for all platforms with checksums and SBOM, of the tag that is checked out
	$(GO) run $(GORELEASER) release --clean

.PHONY: snapshot
snapshot: ## the same of what is checked out, without publishing anything
	$(GO) run $(GORELEASER) release --snapshot --clean

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist artefacts
