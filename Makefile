# make help lists what there is. Go is needed, a C compiler for the race detector,
# Java 17 with Maven for what runs on HBase, Prometheus for what reads metrics, and Redis
# for what comes from the system before; other tools are built from their sources into build/tools.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO       ?= go
ARGS     ?=
FUZZTIME ?= 10s
BENCH    ?= .
COUNT    ?= 1
TIMEOUT  ?= 20m
FAULTS   ?= 200
STORE    ?= embedded
SEED     ?=
ROUNDS   ?= 3
REPORT   ?= $(CURDIR)/build/faults.txt

# The race detector needs cgo, which Go turns off where there is no C compiler.
RACE := $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race,)
GATE := $(GO) run ./internal/arch/testgate
# What runs behind this finds an HBase, which all tests share.
WITH_HBASE := $(GO) run ./hbase/hbasetest/with --
# docker compose, or the older docker-compose.
COMPOSE ?= $(shell if docker compose version >/dev/null 2>&1; then echo docker compose; else echo docker-compose; fi)
COMPOSE_PROJECT ?= gopush
HITS ?=
STAGE = @printf '== %s %s\n' "$$(date +%T)"

TOOLS     := $(CURDIR)/build/tools
GOLANGCI  := $(TOOLS)/golangci-lint-v2.15.0
GOFUMPT   := $(TOOLS)/gofumpt-v0.12.0
BENCHSTAT := $(TOOLS)/benchstat-v0.0.0-20260908200009-22c9c6c9d4da
PROTOGEN  := $(TOOLS)/protoc-gen-go-v1.36.12
GRPCGEN   := $(TOOLS)/protoc-gen-go-grpc-v1.6.2

.PHONY: help run hbase build test all-tests test-scenarios test-fleets test-floods test-faults test-stacks faults long-faults floods quick race fuzz bench figures benchcmp \
	compose-up compose-down compose-test lint fmt check proto docs security clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\n  Variables: ARGS (run, hbase, compose-up, compose-down), FUZZTIME=%s (fuzz), BENCH=%s and COUNT=%s (bench), TIMEOUT=%s (test, race),\n' \
		'$(FUZZTIME)' '$(BENCH)' '$(COUNT)' '$(TIMEOUT)'
	@printf '    FAULTS=%s, STORE=%s (or hbase), SEED and REPORT=%s (faults), ROUNDS=%s (floods),\n' '$(FAULTS)' '$(STORE)' 'build/faults.txt' '$(ROUNDS)'
	@printf '    HITS (compose-test: all, or a list such as web1-kill,zookeeper-pause), COMPOSE_PROJECT=%s (compose-up, compose-down)\n' '$(COMPOSE_PROJECT)'

run: build ## start everything in one process, with its data in ./gopush-data
	@exec build/gopush serve $(ARGS)

hbase: ## start a real HBase on this machine, with its data in ./hbase-data (needs Java 17 and Maven)
	@mkdir -p build
	@$(GO) build -o build/localhbase ./hbase/hbasetest/localhbase
	@exec build/localhbase $(ARGS)

build: ## build the binaries into build/
	@mkdir -p build
	@CGO_ENABLED=0 $(GO) build -o build/ ./cmd/...

test: $(GOFUMPT) ## everything that must pass: vet, format, rules of the tree, all tests; a skipped test fails
	$(STAGE) 'vet'
	@$(GO) vet ./...
	@$(GO) vet -tags compose ./docker/composetest
	$(STAGE) 'format'
	@unformatted=$$($(GOFUMPT) -l .); if [ -n "$$unformatted" ]; then \
		printf 'not gofumpt-ed, run make fmt:\n%s\n' "$$unformatted"; exit 1; fi
	$(STAGE) 'rules of the tree'
	@$(GO) test -count=1 ./internal/arch
	$(STAGE) 'all tests $(if $(RACE),with,WITHOUT) the race detector$(if $(RACE),, (no C compiler found))'
	@$(WITH_HBASE) $(MAKE) all-tests

# The scenarios run twice: on the embedded store among all tests, and on HBase. Whatever
# stops, kills and cuts off processes comes after that, in pairs: it waits most of the time.
# More at once would starve processes for seconds, and so make them look dead.
FLEETS := ^(TestFleet|TestFleetChanges|TestFleetMeans|TestFleetRestarts|TestFleetUpgrades)$$
STACKS := ^(TestStoreFaults|TestStack)$$
# These measure memory and time of the program as it is built for use, so nothing else runs beside them.
FLOODS := ^(TestFloods|TestFullDisk|TestNoSpaceAtAll)$$
# What takes longest begins first.
LONGEST := ./internal/e2e ./hbase ./migrations
all-tests: ## the tests alone, on an HBase that is named in GOPUSH_HBASE_ZOOKEEPER or started by each package that needs one
	@$(GATE) $(RACE) -count=1 -timeout $(TIMEOUT) -skip '$(FLEETS)|$(STACKS)|$(FLOODS)|^TestFaults$$' $(LONGEST) $$($(GO) list ./... | grep -v '/coord/zk$$')
	@$(MAKE) test-floods
	@$(MAKE) -j 2 test-scenarios test-fleets
	@$(MAKE) -j 2 test-faults test-stacks

test-scenarios: ## the scenarios on HBase
	$(STAGE) 'the scenarios on HBase'
	@GOPUSH_E2E_STORE=hbase $(GATE) -count=1 -timeout $(TIMEOUT) -skip '$(FLEETS)|$(STACKS)|$(FLOODS)|^(TestFaults|TestNegativeControls|TestSnapshot|TestPages|TestFigures)$$' ./internal/e2e

test-fleets: ## clusters of processes, and faults of ZooKeeper
	$(STAGE) 'faults of ZooKeeper'
	@$(GATE) $(RACE) -count=1 -timeout $(TIMEOUT) ./internal/coord/zk
	$(STAGE) 'clusters on HBase'
	@GOPUSH_E2E_STORE=hbase $(GATE) -count=1 -timeout $(TIMEOUT) -run '$(FLEETS)' ./internal/e2e

test-faults: ## a short run of what faults does for long
	$(STAGE) 'faults of a cluster'
	@$(GATE) -count=1 -timeout $(TIMEOUT) -run '^TestFaults$$' ./internal/e2e

test-floods: ## attacks on each limit of the program, and full disks
	$(STAGE) 'floods and full disks'
	@$(GATE) -count=1 -timeout $(TIMEOUT) -run '$(FLOODS)' ./internal/e2e

test-stacks: ## faults of HBase
	$(STAGE) 'faults of HBase'
	@$(GATE) -p 1 -count=1 -timeout $(TIMEOUT) -run '$(STACKS)' ./hbase/hbasetest ./internal/e2e

faults: ## have FAULTS faults, drawn from SEED, happen to a cluster on STORE, and prove that nothing is lost (docs/faults.md)
	@mkdir -p build
	@GOPUSH_E2E_FAULTS='$(FAULTS)' GOPUSH_E2E_STORE='$(STORE)' GOPUSH_E2E_SEED='$(SEED)' GOPUSH_E2E_REPORT='$(REPORT)' \
		$(GO) test -count=1 -timeout 180m -v -run '^TestFaults$$' ./internal/e2e

long-faults: ## stop, kill and slow down a real HBase, ZooKeeper and every role, one after the other, each for as long as operators fear
	@GOPUSH_E2E_LONG=1 GOPUSH_E2E_STORE=hbase $(GO) test -count=1 -timeout 60m -v -run '^(TestStoreFaults|TestFleet|TestFleetChanges)$$' ./internal/e2e

floods: ## attack each limit of the program and fill up its disk, ROUNDS times, and print what a healthy client noticed (docs/faults.md)
	@$(GO) test -count=$(ROUNDS) -timeout 60m -v -run '$(FLOODS)' ./internal/e2e

# What these start is a real HBase or ZooKeeper, which takes Java.
STARTS_JAVA := ^(TestReal.*|TestApart|TestApartOverTLS|TestTogetherOnZooKeeper|TestServes|TestFleetOverTLS)$$
quick: ## the unit tests alone, without Java, Redis, Prometheus and the race detector
	@$(GATE) -timeout 2m -skip '$(STARTS_JAVA)' $$($(GO) list ./... | grep -Ev '/(internal/e2e$$|internal/coord/zk|internal/oldredis|hbase/hbasetest|docker/promtest)')

race: ## all tests with the race detector, once more and in another order
	@$(WITH_HBASE) $(GATE) -race -count=1 -shuffle=on -timeout $(TIMEOUT) ./...

fuzz: ## run each fuzz target for FUZZTIME
	@$(GO) test -list '^Fuzz' ./... | awk '/^Fuzz/ { names = names " " $$1 } \
		/^(ok|\?)/ { n = split(names, list, " "); for (i = 1; i <= n; i++) print $$2, list[i]; names = "" }' | \
	while read -r pkg name; do \
		printf '== %s %s %s\n' "$$(date +%T)" "$$pkg" "$$name"; \
		$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$pkg" < /dev/null; \
	done

bench: ## run the benchmarks into build/bench.txt; the run before becomes build/bench.old.txt
	@mkdir -p build
	@if [ -e build/bench.txt ]; then mv build/bench.txt build/bench.old.txt; fi
	@$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) -timeout 60m ./... | tee build/bench.txt

figures: build ## measure one gopush serve with gopush bench, as README.md shows it; on a machine that does nothing else
	@docs/figures.sh build/gopush

benchcmp: $(BENCHSTAT) ## compare the last two benchmark runs (take COUNT=10 for both)
	@$(BENCHSTAT) build/bench.old.txt build/bench.txt

compose-up: ## build and start the real cluster with Docker, and wait until it serves; ARGS='--profile monitoring' for more
	@$(COMPOSE) -p $(COMPOSE_PROJECT) -f docker/compose.yaml $(ARGS) up --build -d
	@docker exec "$$($(COMPOSE) -p $(COMPOSE_PROJECT) -f docker/compose.yaml ps -q web1)" sh -c \
		'for i in $$(seq 300); do gopush health --ready >/dev/null 2>&1 && break; sleep 1; done; \
		gopush health --ready && gopush nodes --token-file /var/lib/gopush/admin.token'

compose-down: ## stop the cluster of compose-up and remove its containers; its data stays, unless ARGS=-v
	@$(COMPOSE) -p $(COMPOSE_PROJECT) -f docker/compose.yaml --profile monitoring down --remove-orphans $(ARGS)

compose-test: ## a real cluster of its own with Docker: push and fetch, hit every service under load, lose nothing, take it down
	@GOPUSH_COMPOSE_HITS='$(HITS)' COMPOSE='$(COMPOSE)' \
		$(GO) test -tags compose -count=1 -timeout 3h -v -run '^TestCompose$$' ./docker/composetest

lint: $(GOLANGCI) ## run the lint set
	@$(GOLANGCI) run ./...

fmt: $(GOFUMPT) ## format the sources
	@$(GOFUMPT) -w .

check: lint quick ## lint and the unit tests: before each commit

proto: $(PROTOGEN) $(GRPCGEN) ## generate internal/rpc/pb from its .proto file (needs protoc)
	@cd internal/rpc/pb && protoc \
		--plugin=protoc-gen-go=$(PROTOGEN) --go_out=. --go_opt=paths=source_relative \
		--plugin=protoc-gen-go-grpc=$(GRPCGEN) --go-grpc_out=. --go-grpc_opt=paths=source_relative \
		gopush.proto

docs: ## check the links, words and names of the documentation, and run its commands
	@$(GO) test -count=1 -run '^(TestLinks|TestForbidden)' ./internal/arch
	@$(GO) test -count=1 ./internal/pages
	@$(GO) test -count=1 -run '^TestPagesCommands$$' ./cmd/gopush
	@$(GO) test -count=1 -run '^(TestPages|TestFigures)$$' ./internal/e2e

# The last column of the tables there is `folder`: TestA, TestB; ... ; a test of internal/arch holds it to that.
security: ## the tests that docs/security-tests.md names, each with its result
	@grep -o '`[a-z0-9/]*`: [A-Za-z0-9_, ]*[A-Za-z0-9_]' docs/security-tests.md | tr -d '`' | \
	awk -F ': ' '{ gsub(/, /, "|", $$2); all[$$1] = all[$$1] (all[$$1] ? "|" : "") $$2 } END { for (p in all) print p, "^(" all[p] ")$$" }' | sort | \
	{ failed=0; while read -r pkg names; do \
		printf '== %s %s\n' "$$(date +%T)" "$$pkg"; \
		$(GO) test -count=1 -timeout $(TIMEOUT) -v -run "$$names" "./$$pkg" < /dev/null | grep -E '^(--- |FAIL|ok|panic)' || failed=1; \
	done; exit $$failed; }

clean: ## remove what was built; data folders stay
	@rm -rf build

# install builds a tool from its module; the version is part of the file name.
define install
	@printf '== %s building %s\n' "$$(date +%T)" '$(notdir $@)'
	@mkdir -p $(TOOLS)
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && GOBIN=$$dir $(GO) install $(1) && mv "$$dir"/* $@
endef

$(GOLANGCI):
	$(call install,github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0)
$(GOFUMPT):
	$(call install,mvdan.cc/gofumpt@v0.12.0)
$(BENCHSTAT):
	$(call install,golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da)
$(PROTOGEN):
	$(call install,google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12)
$(GRPCGEN):
	$(call install,google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2)
