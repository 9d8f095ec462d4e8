# All targets need Go only, apart from lint, licenses, vulnerabilities and dist, which
# build their own tools.

GO            ?= go
GOLANGCI_LINT ?= $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
# It classifies the texts of licenses, and works from the module cache.
GO_LICENSES   ?= $(GO) run github.com/google/go-licenses@v1.6.0
GOVULNCHECK   ?= golang.org/x/vuln/cmd/govulncheck@v1.4.0
FUZZTIME      ?= 10s
# The version in the binary: the tag, or the commit with the last tag before it.
VERSION       ?= $(shell git describe --tags --always --dirty 2>/dev/null)
PLATFORMS     ?= linux-amd64 linux-arm64 darwin-amd64 darwin-arm64
# Further flags of go test, for make test only.
TESTFLAGS     ?=
# The campaign: seeds with commas between them, and writes for each; and how
# many stories of each simulation.
SEEDS         ?= 1,2,3
WRITES        ?= 10000
STORIES       ?= 5000
# Licenses that allow to use and ship a module in a binary under the Apache License.
LICENSES      ?= Apache-2.0,BSD-2-Clause,BSD-3-Clause,ISC,MIT,MPL-2.0

# Without C, as all binaries of a release: what one build has compiled, the others use.
BUILD = CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)'

.DEFAULT_GOAL := help
.PHONY: help build demo demo-check test race campaign lint licenses vulnerabilities fuzz bench attacks pressure generate check-generated dist clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/ocigate
	$(BUILD) -o bin/ocigate ./cmd/ocigate

demo: build ## run the gateway in front of the simulated platform
	bin/ocigate demo

demo-check: build ## make the calls of the demonstration and of all pages, and compare the responses
	bin/ocigate demo --check
	$(GO) test -count=1 -run '^TestPage' ./cmd/ocigate

test: ## run all tests
	$(GO) test $(TESTFLAGS) -timeout 20m ./...

race: ## run the tests with the race detector; of some long tables of cases, a sixth, and none of the long ones that run the program as a process
	$(GO) test -race -short -vet=off -timeout 25m ./...

campaign: ## make writes under faults, kills and full disks, checked against the platform's ledger (on Linux only)
	$(GO) test -tags campaign -count=1 -timeout 1h -v -run '^TestCampaign$$' ./cmd/ocigate \
		-campaign.seeds=$(SEEDS) -campaign.writes=$(WRITES)
	SIMULATION_SEEDS=$(STORIES) $(GO) test -count=1 -timeout 1h -run '^TestSimulation$$' ./gateway
	MODEL_SEEDS=$(STORIES) $(GO) test -count=1 -timeout 1h -run '^TestModel$$' ./gateway/operation
	QUEUE_SEEDS=$(STORIES) $(GO) test -count=1 -timeout 1h -run '^TestLawsOfTheQueue$$' ./oci

lint: ## run vet, and the linters of .golangci.yml
	$(GO) vet ./...
	$(GO) vet -tags campaign ./cmd/ocigate
	$(GOLANGCI_LINT) run

licenses: ## check the licenses of all modules in the binary
	$(GO_LICENSES) check --ignore ocigate --allowed_licenses=$(LICENSES) ./cmd/ocigate

vulnerabilities: ## check for known vulnerabilities, if the database of govulncheck can be reached
	@GOBIN=$(CURDIR)/bin $(GO) install $(GOVULNCHECK)
	@mkdir -p bin; bin/govulncheck ./... 2> bin/govulncheck.err; status=$$?; cat bin/govulncheck.err >&2; \
	if [ $$status != 0 ] && [ $$status != 3 ] && grep -q 'fetching vulnerabilities' bin/govulncheck.err; then \
		echo 'skipped: the database of vulnerabilities cannot be reached'; \
	else exit $$status; fi

fuzz: ## run every fuzz target for FUZZTIME, such as 10s or 5000x inputs
	@mkdir -p bin; set -e; for folder in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u); do \
		$(GO) test -c -vet=off -fuzz . -o bin/fuzz.test "$$folder"; \
		targets=$$(cd "$$folder" && $(CURDIR)/bin/fuzz.test -test.list '^Fuzz' 2>/dev/null | grep '^Fuzz') || exit 1; \
		for target in $$targets; do \
			echo "$$folder $$target"; \
			(cd "$$folder" && $(CURDIR)/bin/fuzz.test -test.run '^$$' -test.fuzz "^$$target$$" -test.fuzztime $(FUZZTIME) \
				-test.fuzzminimizetime 100x -test.fuzzcachedir "$$($(GO) env GOCACHE)/fuzz/ocigate/$$folder") || exit 1; \
		done; \
	done; rm -f bin/fuzz.test

bench: ## measure the speed, and write testdata/bench (on Linux only)
	$(GO) run ./cmd/bench

attacks: ## attack the binary with guesses and floods, and write testdata/bench/attacks.md (on Linux only)
	$(GO) run ./cmd/attack -write testdata/bench/attacks.md

pressure: ## overload the binary, let endpoints die slowly, and write testdata/bench/pressure.md (on Linux only)
	$(GO) run ./cmd/pressure -write testdata/bench/pressure.md

generate: ## write the generated parts of pages and configuration again
	$(GO) test ./config/grafana -run Generated -update
	$(GO) test ./config ./cmd/ocigate ./gateway/openapi -run Generated -update

check-generated: ## fail if generated files are not up to date
	$(GO) test ./config ./config/grafana ./cmd/ocigate ./gateway/openapi -run Generated -count=1

dist: ## build the files of a release in dist, for each of PLATFORMS
	GO='$(GO)' $(GO) run ./cmd/dist -version '$(VERSION)' -platforms '$(PLATFORMS)'

clean: ## remove what was built
	rm -rf bin dist
