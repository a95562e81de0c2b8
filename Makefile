# Everything that is done to this repository by hand or by CI. Tools are pinned:
# Go tools in tools.mod, the protobuf compiler in package-lock.json.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

GO ?= go
TOOL := $(GO) tool -modfile=tools.mod
BUF := node_modules/.bin/buf
RECORD := engine/journal/record
CLIENT := rpc/client/typescript
FLOW := rpc/bot/flow/schema
CONSOLE := rpc/console
CHROMIUM ?= chromium
# A module of its own, with connectrpc's conformance suite pinned in its tools.mod.
CONFORMANCE := rpc/conformance
SUITE := $(GO) -C $(CONFORMANCE) tool -modfile=tools.mod connectconformance --mode server --conf config.yaml

# A module of its own, with what the engine is compared with.
PEERS := bench/peers

# How long a package's tests may take. A hang fails instead of blocking for ever.
TEST_TIMEOUT ?= 20m
SOAK_TIMEOUT ?= 8h

.PHONY: help
help: ## Show what there is to make
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/intervene, static
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/intervene ./cmd/intervene

.PHONY: test
test: check security race conformance interop alerts observe client browser ## Check everything: what CI runs
	@echo "make test: all checks and tests passed"

.PHONY: check
check: format words lint generated static ## Check everything but the tests

.PHONY: race
race: ## Run all tests under the race detector
	$(GO) test -race -count=1 -timeout=$(TEST_TIMEOUT) ./...
	$(GO) -C $(PEERS) test -count=1 -timeout=$(TEST_TIMEOUT) ./...

.PHONY: conformance
conformance: ## Run connectrpc's conformance suite against the Connect edge
	$(GO) -C $(CONFORMANCE) build -o $(CURDIR)/bin/conformance .
	$(SUITE) -- $(CURDIR)/bin/conformance
	$(SUITE) --test-file testdata/limit.yaml -- $(CURDIR)/bin/conformance

.PHONY: interop
interop: $(BUF) build ## Watch a board with grpcurl and buf curl
	$(GO) build -modfile=tools.mod -o bin/grpcurl github.com/fullstorydev/grpcurl/cmd/grpcurl
	$(GO) run ./cmd/interop --intervene bin/intervene --grpcurl bin/grpcurl --buf $(BUF)

# What Prometheus makes of deploy/prometheus.
PROMTOOL ?= promtool
PROMETHEUS ?= prometheus
RULES := deploy/prometheus
MISSING = { echo "$(1) is missing: install Debian's prometheus, or say $(2)=<path>"; exit 1; }

.PHONY: alerts
alerts: ## Check the rules of Prometheus, and test that each alert fires, and does not
	@command -v $(PROMTOOL) >/dev/null || $(call MISSING,promtool,PROMTOOL)
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	$(PROMTOOL) check config $(RULES)/prometheus.yml >"$$log" 2>&1 || { cat "$$log"; exit 1; }; \
	$(PROMTOOL) test rules $(RULES)/*_test.yaml >"$$log" 2>&1 || { cat "$$log"; exit 1; }
	@echo "alerts: ok"

# One engine, one Prometheus, and what the rules and dashboards make of them.
OBSERVE = $(GO) run ./cmd/observe --intervene bin/intervene --prometheus "$$(command -v $(PROMETHEUS))"

.PHONY: observe
observe: build ## Watch an engine with a real Prometheus, rules and dashboards
	@command -v $(PROMETHEUS) >/dev/null || $(call MISSING,prometheus,PROMETHEUS)
	@$(OBSERVE)

.PHONY: drill
drill: build ## Put up a site to practise docs/runbooks on, until Ctrl-C
	@command -v $(PROMETHEUS) >/dev/null || $(call MISSING,prometheus,PROMETHEUS)
	@rm -rf bin/drill
	@exec $(OBSERVE) --drill bin/drill

# ONLY="JournalSlow OutboxOld" are some of them.
.PHONY: drills
drills: build ## Type the drills of all runbooks as they stand; as root, takes 50 minutes
	@command -v $(PROMETHEUS) >/dev/null || $(call MISSING,prometheus,PROMETHEUS)
	@command -v strace >/dev/null || { echo "strace is missing: install Debian's"; exit 1; }
	@exec $(OBSERVE) --drill bin/drill --runbooks docs/runbooks $(ONLY:%=--only %)

.PHONY: client
client: $(BUF) ## Check the TypeScript client and test it, with a real engine too
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	npm run --silent --workspace $(CLIENT) test >"$$log" 2>&1 || { cat "$$log"; exit 1; }
	@echo "typescript client: ok"

.PHONY: browser
browser: $(BUF) build ## Test the Live Chat console in Chromium, against a real engine
	@command -v $(CHROMIUM) >/dev/null || { echo "chromium is missing: install it, or say CHROMIUM=<path>"; exit 1; }
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	CHROMIUM=$$(command -v $(CHROMIUM)) INTERVENE=$(CURDIR)/bin/intervene npm run --silent --workspace $(CONSOLE) test >"$$log" 2>&1 || { cat "$$log"; exit 1; }
	@echo "console in chromium: ok"

.PHONY: console
console: $(BUF) ## Build the Live Chat console that is embedded
	@npm run --silent --workspace $(CONSOLE) build -- --logLevel warn
	@echo "console: built"

.PHONY: soak
soak: ## Run the long tests: crash cycles by the thousand, ordeals as root; takes hours
	INTERVENE_SOAK=1 $(GO) test -count=1 -timeout=$(SOAK_TIMEOUT) -run 'Soak|Crash|Damage|Fault|Attacks|Slow|FewFiles|Stops|DiskFull|MemoryLimit|Overload' -v ./...
	INTERVENE_SOAK=1 $(GO) test -count=1 -timeout=$(SOAK_TIMEOUT) -v ./cmd/intervene/sim

# gosec's own tool file: its dependencies would raise those of the other tools. It
# reads the code of the binary; what it says of these is not looked at, because:
# G115 widths of numbers differ on disk and wire, and round trips and fuzzers hold them;
# G404 draws without a secret: jitter, samples, the demo's dice;
# G304 paths are the operator's: flags and configuration, never a caller's.
NOT_LOOKED_AT := G115,G404,G304
NOT_SHIPPED := -exclude-dir=bench -exclude-dir=cmd/interop -exclude-dir=cmd/observe -exclude-dir=node_modules -exclude-dir=rpc/conformance

.PHONY: security
security: ## Scan the code with gosec, and hold the modules against their sums
	@$(GO) mod verify >/dev/null || { $(GO) mod verify; exit 1; }
	@echo "go mod verify: ok"
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	$(GO) tool -modfile=security.mod gosec -quiet -exclude-generated -exclude=$(NOT_LOOKED_AT) $(NOT_SHIPPED) ./... >"$$log" 2>&1 || { cat "$$log"; exit 1; }
	@echo "gosec: ok"

# As go test takes it: a time, or executions as 10000000x. A time may end within an
# execution, which go test now and then takes for a failure ("context deadline exceeded").
FUZZTIME ?= 10s
FUZZ ?= ^Fuzz
FUZZERS = $$(git grep -l '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u)

# First guided by coverage, which finds inputs, and then from these without it, which
# is 10 to 50 times as fast: the counters of all packages that a test is linked with
# go from process to process with each input.
.PHONY: fuzz
fuzz: ## Run every fuzzer for FUZZTIME, twice; FUZZ chooses some by their names
	@plain=$$(mktemp -d); trap 'rm -rf "$$plain"' EXIT; kept=$$($(GO) env GOCACHE)/fuzz; \
	for folder in $(FUZZERS); do \
		$(GO) test -c -o "$$plain/fuzz.test" ./$$folder; \
		for target in $$($(GO) test -list '$(FUZZ)' ./$$folder | grep '^Fuzz'); do \
			echo "$$folder $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x -parallel 1 ./$$folder; \
			(cd $$folder && "$$plain/fuzz.test" -test.run '^$$' -test.fuzz "^$$target$$" -test.fuzztime $(FUZZTIME) -test.fuzzminimizetime 100x \
				-test.parallel 1 -test.fuzzcachedir "$$kept/$$($(GO) list .)"); \
		done; \
	done
	@echo "fuzzers: ok"

.PHONY: peers
peers: ## Compare with raw Pebble, PostgreSQL and NATS; takes minutes, wants a quiet machine
	$(GO) -C $(PEERS) run . --results ../RESULTS.md --plots ../plots

.PHONY: fmt
fmt: $(BUF) ## Format Go and protobuf sources
	$(TOOL) gofumpt -w .
	$(BUF) format -w rpc/proto
	$(BUF) format -w $(RECORD)
	$(BUF) format -w $(FLOW)

.PHONY: generate
generate: $(BUF) ## Generate code from the protobuf sources, and docs/METRICS.md
	$(BUF) generate --template buf.gen.yaml
	$(BUF) generate --template buf.gen.client.yaml
	$(BUF) generate --template buf.gen.record.yaml
	$(BUF) generate --template buf.gen.flow.yaml
	$(GENERATE_SUITE)
	$(GO) test -count=1 -run 'TestMetricsDocument$$' ./cmd/intervene/serve -update

# The suite's schema lies in its module, wherever that is downloaded to.
SUITE_FILES := config service server_compat
GENERATE_SUITE = module=connectrpc.com/conformance; \
	$(GO) -C $(CONFORMANCE) mod download -modfile=tools.mod $$module; \
	schema=$$($(GO) -C $(CONFORMANCE) list -modfile=tools.mod -m -f '{{.Dir}}' $$module)/proto; \
	$(BUF) generate "$$schema" --template $(CONFORMANCE)/buf.gen.yaml $(SUITE_FILES:%=--path "$$schema/connectrpc/conformance/v1/%.proto")

# The parts of check, each of which prints one line when it is content.

.PHONY: format
format: $(BUF)
	@unformatted=$$($(TOOL) gofumpt -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; fi
	@$(BUF) format --diff --exit-code rpc/proto
	@$(BUF) format --diff --exit-code $(RECORD)
	@$(BUF) format --diff --exit-code $(FLOW)
	@echo "format: ok"

# Brackets keep the patterns from matching themselves. git grep without an index
# also works where there is no clone; 1 is its code for "nothing found".
MACHINE := /[w]ork/|/[r]oot/|/[h]ome/[a-z]|[r]egistry\.npmjs\.org|[r]egistry\.yarnpkg\.com|[p]roxy\.golang\.org|[s]um\.golang\.org
UNFINISHED := \b([T]ODO|[F]IXME)\b
GREP := git grep --no-index --exclude-standard -nIE

.PHONY: words
words:
	@code=0; $(GREP) '$(MACHINE)' || code=$$?; \
	if [ $$code -ne 1 ]; then echo "names a machine's paths or a package registry's host"; exit 1; fi
	@code=0; $(GREP) '$(UNFINISHED)' -- '*.go' '*.proto' ':!third_party' || code=$$?; \
	if [ $$code -ne 1 ]; then echo "says that it is unfinished"; exit 1; fi
	@echo "words: ok"

.PHONY: lint
lint: $(BUF)
	@$(GO) vet ./...
	@$(GO) -C $(CONFORMANCE) vet ./...
	@$(GO) -C $(PEERS) vet ./...
	@echo "go vet: ok"
	@$(TOOL) staticcheck ./...
	@cd $(CONFORMANCE) && $(GO) tool -modfile=$(CURDIR)/tools.mod staticcheck ./...
	@cd $(PEERS) && $(GO) tool -modfile=$(CURDIR)/tools.mod staticcheck ./...
	@echo "staticcheck: ok"
	@dead=$$($(TOOL) deadcode -test ./...); \
	if [ -n "$$dead" ]; then echo "$$dead"; exit 1; fi
	@echo "deadcode: ok"
	@$(BUF) lint
	@echo "buf lint: ok"
	@npm run --silent --workspace $(CONSOLE) check
	@echo "console: ok"

.PHONY: generated
generated: $(BUF)
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	$(BUF) generate --template buf.gen.yaml -o "$$fresh"; \
	$(BUF) generate --template buf.gen.client.yaml -o "$$fresh"; \
	$(BUF) generate --template buf.gen.record.yaml -o "$$fresh"; \
	$(BUF) generate --template buf.gen.flow.yaml -o "$$fresh"; \
	$(GENERATE_SUITE) -o "$$fresh"; \
	diff -r -x staticcheck.conf "$$fresh/rpc/gen" rpc/gen || { echo "rpc/gen is not what make generate makes"; exit 1; }; \
	diff -r "$$fresh/$(CLIENT)/gen" $(CLIENT)/gen || { echo "$(CLIENT)/gen is not what make generate makes"; exit 1; }; \
	diff -r -x staticcheck.conf "$$fresh/$(CONFORMANCE)/gen" $(CONFORMANCE)/gen || { echo "$(CONFORMANCE)/gen is not what make generate makes"; exit 1; }; \
	diff "$$fresh/$(RECORD)/record.pb.go" $(RECORD)/record.pb.go || { echo "$(RECORD) is not what make generate makes"; exit 1; }; \
	diff "$$fresh/$(FLOW)/flow.pb.go" $(FLOW)/flow.pb.go || { echo "$(FLOW) is not what make generate makes"; exit 1; }
	@echo "generated code: up to date"
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	npm run --silent --workspace $(CONSOLE) build -- --logLevel warn --outDir "$$fresh"; \
	diff -r "$$fresh" $(CONSOLE)/dist || { echo "$(CONSOLE)/dist is not what make console makes"; exit 1; }
	@echo "console's files: up to date"

.PHONY: static
static:
	@CGO_ENABLED=0 $(GO) build -trimpath -o /dev/null ./cmd/intervene
	@echo "static build: ok"

$(BUF): package.json package-lock.json $(CLIENT)/package.json $(CONSOLE)/package.json
	npm ci --no-audit --no-fund
	@touch $@
