# Everything here needs Go and nothing else, apart from lint, which builds its
# own tool.

GO            ?= go
GOLANGCI_LINT ?= $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME      ?= 10s
VERSION       ?=
# The campaign: seeds with commas between them, and writes for each; and how
# many stories of each simulation.
SEEDS         ?= 1,2,3
WRITES        ?= 10000
STORIES       ?= 5000

.PHONY: build demo demo-check test race campaign lint fuzz bench generate check-generated clean

build: ## build bin/ocigate
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ocigate ./cmd/ocigate

demo: build ## run the gateway against the simulated platform
	bin/ocigate demo

demo-check: build ## make the demonstration's calls and the README's, and compare the answers
	bin/ocigate demo --check
	$(GO) test -count=1 -run '^TestReadmeExamples$$' ./cmd/ocigate

test: ## run all tests
	$(GO) test ./...

race: ## run the tests with the race detector, and of some long tables a third
	$(GO) test -race -timeout 25m ./...

campaign: ## writes under faults, kills and full disks, held against the platform's ledger (on Linux only)
	$(GO) test -tags campaign -count=1 -timeout 1h -v -run '^TestCampaign$$' ./cmd/ocigate \
		-campaign.seeds=$(SEEDS) -campaign.writes=$(WRITES)
	SIMULATION_SEEDS=$(STORIES) $(GO) test -count=1 -timeout 1h -run '^TestSimulation$$' ./gateway
	MODEL_SEEDS=$(STORIES) $(GO) test -count=1 -timeout 1h -run '^TestModel$$' ./gateway/operation

lint: ## vet, and the linters of .golangci.yml
	$(GO) vet ./...
	$(GO) vet -tags campaign ./cmd/ocigate
	$(GOLANGCI_LINT) run

fuzz: ## run every fuzz target for FUZZTIME, such as 10s or 5000x inputs
	@$(GO) list ./... | while read -r package; do \
		for target in $$($(GO) test -list '^Fuzz' "$$package" | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "$$package" || exit 1; \
		done; \
	done

bench: ## measure the speed, and write testdata/bench (on Linux only)
	$(GO) run ./cmd/bench

generate: ## write again what is made from tables: README, example configuration
	$(GO) test ./config ./cmd/ocigate -run Generated -update

check-generated: ## fail where generated files are not up to date
	$(GO) test ./config ./cmd/ocigate -run Generated -count=1

clean:
	rm -rf bin
